"""Which addresses of a database are refused, before anything is connected to."""

from __future__ import annotations

import pytest

from sweeper.study.config import StorageConfig
from sweeper.study.storage.validation import EXAMPLE, storage_problems


@pytest.mark.parametrize(
    "url",
    ["postgresql:/host/db", "postgresql://host:port/db", "postgresql://host/", "mysql://host/db"],
)
def test_an_address_that_names_no_database_is_refused_in_a_line(url):
    (problem,) = storage_problems(StorageConfig("postgresql", url), [])
    assert problem.startswith(f"storage.url: got {url!r}")
    assert problem.endswith(f"must be {EXAMPLE}")


@pytest.mark.parametrize(
    "url", [EXAMPLE, "postgres://host/db", "postgresql+psycopg:///db", "postgresql://[::1]:5432/db"]
)
def test_one_that_does_is_taken(url):
    assert not list(storage_problems(StorageConfig("postgresql", url), []))
