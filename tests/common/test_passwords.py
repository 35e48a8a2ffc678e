"""Passwords in addresses are refused before anything is written, and never printed."""

from __future__ import annotations

import pytest
from changed_configs import problems_of
from processes import run_module

from sweeper.common.passwords import password_in, without_password

SECRET = "s3cret"
WITH = [
    f"https://me:{SECRET}@host/runs",
    f"HTTPS://me:{SECRET}@host",
    f"https://me:{SECRET}/x@host",
    f"https://:{SECRET}@host",
    f"https://me:%2F{SECRET}@host:5000",
    f"postgresql+psycopg://me:12/{SECRET}@host/runs",
    f"mysql://me:{SECRET}@[::1]:3306/runs",
    f"postgresql://host/runs?user=me&password={SECRET}",
    f"mssql+pyodbc:///?odbc_connect=DRIVER%3Da%3BUID%3Dme%3BPWD%3D{SECRET}",
    f"https://host/?api_token={SECRET}",
]
WITHOUT = [
    "runs", "/home/me@work/runs:old", "~/runs", "databricks", "databricks://profile",
    "https://host", "https://me@host/runs", "http://host:5000/a@b", "http://host:5000",
    "sqlite:////x/a:b@c.db", "file:///home/me:x@y/runs", "postgresql://me@host:5432/runs",
    "postgresql://host/runs?sslmode=require",
]  # fmt: skip


@pytest.mark.parametrize("address", WITH)
def test_a_password_is_found_and_the_error_keeps_it(address):
    assert password_in(address)
    (problem,) = problems_of(tracking__mlflow=address)
    assert problem.startswith("tracking.mlflow: contains a password")
    assert "MLFLOW_TRACKING_USERNAME" in problem
    assert "MLFLOW_TRACKING_PASSWORD" in problem
    assert SECRET not in problem


@pytest.mark.parametrize("address", WITHOUT)
def test_an_address_without_one_is_taken(address):
    assert not password_in(address)
    assert problems_of(tracking__mlflow=address) == []
    assert without_password(address).endswith(address.rpartition("://")[2].removeprefix("me@"))


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ([f"tracking.mlflow=https://me:{SECRET}@host"], {}),
        (["tracking.mlflow=${oc.env:STORE}"], {"STORE": f"https://me:{SECRET}@host"}),
        ([f"tracking.mlflow=https://me:{SECRET}#@host"], {}),
        ([f"tracking.mlflow=https://me:{SECRET}@host,runs"], {}),
        (["-m", f"tracking.mlflow=runs,https://me:{SECRET}@host"], {}),
        ([f"tracking.mlflo=https://me:{SECRET}@host"], {}),
    ],
)
def test_nothing_of_it_is_printed_or_written(tmp_path, arguments, environment):
    done = run_module(tmp_path, "sweeper", *arguments, "data=synthetic", timeout=60, **environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: track")
    assert SECRET not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
