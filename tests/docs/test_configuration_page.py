"""docs/configuration.md is what the schema says."""

from __future__ import annotations

import runpy

from processes import ROOT

from sweeper.two_tower.config import known_keys
from sweeper.two_tower.config.experiment import ExperimentConfig

DOCS = ROOT / "docs"


def test_the_page_is_what_the_schema_says() -> None:
    page = runpy.run_path(str(DOCS / "configuration_page.py"))["page"]()
    told = "run `python docs/configuration_page.py > docs/configuration.md`"
    assert (DOCS / "configuration.md").read_text() == page, told


def test_the_page_has_every_key() -> None:
    page = (DOCS / "configuration.md").read_text()
    parts = {key.rpartition(".")[0] for key in known_keys(ExperimentConfig)}
    missing = [
        key
        for key in known_keys(ExperimentConfig)
        if key not in parts
        and f"| `{key}` |" not in page
        # Lists of parts, whose keys have a section of their own.
        and f"## {key}[]" not in page
    ]
    assert missing == []


def test_the_page_explains_every_key() -> None:
    lines = (DOCS / "configuration.md").read_text().splitlines()
    keys = [line.split(" | ") for line in lines if line.startswith("| `")]
    assert len(keys) > 100
    assert [cells[0] for cells in keys if not cells[-1].removesuffix("|").strip()] == []
