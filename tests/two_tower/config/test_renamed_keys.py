"""Names of version 0.1.0: refused in a configuration with the new name, read in its records."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from sweeper.cli.command_line import prepare
from sweeper.common.errors import ConfigError
from sweeper.common.schema import flatten, known_keys, renamed_keys, with_new_names
from sweeper.study.outputs.trial_states import result_of
from sweeper.two_tower import record
from sweeper.two_tower.config import Config, to_dictionary, with_defaults
from sweeper.two_tower.config.experiment import register_schema

RENAMED_KEYS = renamed_keys(Config)


@pytest.fixture(autouse=True)
def schema() -> None:
    """Makes the schema known to Hydra, as the program's start does."""
    register_schema()


def test_each_new_name_is_a_key_and_no_old_one_is() -> None:
    assert set(RENAMED_KEYS) == {
        "evaluation.rows", "evaluation.keep_rows", "evaluation.time_queries"
    }  # fmt: skip
    known = known_keys(Config)
    assert set(RENAMED_KEYS.values()) <= set(known)
    assert not set(RENAMED_KEYS) & set(known)


@pytest.mark.parametrize(("old", "new"), RENAMED_KEYS.items())
def test_an_old_key_on_the_command_line_names_the_new_one(old: str, new: str) -> None:
    for text in (f"{old}=true", f"+{old}=true"):
        with pytest.raises(ConfigError) as raised:
            prepare([text])
        assert f"{old}: was renamed to {new} in version 0.2.0" in str(raised.value)


def test_an_old_key_in_a_file_names_the_new_one(tmp_path) -> None:
    directory = tmp_path / "conf"
    (directory / "experiment").mkdir(parents=True)
    (directory / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nevaluation:\n  keep_rows: false\n"
    )
    with pytest.raises(ConfigError, match=r"evaluation\.keep_rows: was renamed to .*save_ranks in"):
        prepare([f"--config-dir={directory}", "experiment=mine"])


def test_a_recorded_configuration_has_the_new_names() -> None:
    old = {"evaluation": {"rows": "test", "keep_rows": False, "metric": "mrr"}, "name": "a"}
    new = {"evaluation": {"split": "test", "save_ranks": False, "metric": "mrr"}, "name": "a"}
    assert with_new_names(Config, old) == new
    assert with_new_names(Config, new) == new
    assert old["evaluation"] == {"rows": "test", "keep_rows": False, "metric": "mrr"}
    flat = flatten(with_defaults(old))
    assert (flat["evaluation.split"], flat["evaluation.save_ranks"]) == ("test", False)
    assert not set(RENAMED_KEYS) & set(flat)


def test_a_record_of_format_1_is_read(tmp_path) -> None:
    config = to_dictionary(Config())
    evaluation = config["evaluation"]
    evaluation["rows"] = evaluation.pop("split")
    written = record.TrialRecord(config, state="completed", best_epoch=7, seconds={"train": 1.5})
    record.write(tmp_path, written)
    path = tmp_path / record.TRIAL
    content = json.loads(path.read_text())
    content |= {"format_version": 1, "kept_epoch": content.pop("best_epoch")}
    content["by_warmth"] = {"test": {"warm": {"rows": 3.0}}}
    del content["by_cold_start"]
    content["seconds"] |= {"keep_rows": 0.5}
    repeat = {"split_seed": 1, "directory": "split_seed_1", "metrics": {}, "kept_epoch": 4}
    content["repeats"] = [repeat]
    path.write_text(json.dumps(content))
    read = record.read(tmp_path)
    assert (read.best_epoch, read.rows, read.format_version) == (7, "validation", 2)
    assert read.by_cold_start == {"test": {"warm": {"rows": 3.0}}}
    assert read.seconds == {"train": 1.5, "save_ranks": 0.5}
    assert read.repeats[0]["best_epoch"] == 4
    # What is damaged besides is still refused.
    path.write_text(json.dumps(content | {"seconds": 3, "repeats": 4}))
    with pytest.raises(record.OutputError, match="isn't a record of this version"):
        record.read(tmp_path)


def test_a_summary_in_the_storage_of_an_earlier_study_is_read() -> None:
    seeds = [{"kept_epoch": 2, "epochs": 4}]
    trial = SimpleNamespace(user_attrs={"result": {"kept_epoch": 3, "seeds": seeds}})
    assert result_of(trial) == {"best_epoch": 3, "seeds": [{"best_epoch": 2, "epochs": 4}]}
