"""Which trial is exported: the best, a given one, one of several splits."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_confirmations import made_up_confirmation
from made_up_studies import StudyMaker, made_up_record

from sweeper.common.errors import ConfigError, OutputError
from sweeper.serving.model_card_metrics import confirmed_section
from sweeper.serving.source_trial import find_source_trial
from sweeper.two_tower import record as records


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Trials 0 to 4: complete, the best, pruned, failed and infeasible."""
    maker = StudyMaker(tmp_path / "depth")
    maker.trial([0.3])
    maker.trial([0.4])
    maker.trial([0.5], "pruned")
    maker.trial(state="failed")
    maker.trial([0.6], "infeasible")
    return maker.directory


def test_the_best_is_chosen_and_any_that_came_to_its_end_may_be(study: Path) -> None:
    best = find_source_trial(study, None, None)
    assert (best.trial, best.split_seed, best.name) == (1, None, "depth")
    assert best.record.metrics["validation"]["top_100"] == 0.4
    assert best.directory == study / "trials" / "0001"
    assert best.description == f"trial 1 of {study}"
    assert find_source_trial(study, 0, None).record.metrics["validation"]["top_100"] == 0.3
    # What a constraint refuses to choose, a user may.
    assert find_source_trial(study, 4, None).trial == 4


@pytest.mark.parametrize(
    ("trial", "state"), [(2, "is pruned"), (3, "is failed"), (17, "this study does not have")]
)
def test_another_trial_is_refused_with_those_that_may_be(study: Path, trial: int, state: str):
    with pytest.raises(ConfigError) as error:
        find_source_trial(study, trial, None)
    assert str(error.value) == f"trial: got {trial}, which {state}; must be one of 0, 1, 4"


def test_a_study_without_a_finished_trial_has_nothing_to_export(tmp_path: Path) -> None:
    maker = StudyMaker(tmp_path)
    maker.trial([0.5], "pruned")
    with pytest.raises(ConfigError, match=r"none of its 1 trials is complete and feasible; must"):
        find_source_trial(tmp_path, None, None)
    with pytest.raises(ConfigError, match=r"trial: got 0, which is pruned; none is complete"):
        find_source_trial(tmp_path, 0, None)


def test_a_trial_whose_record_is_lost_is_named(study: Path) -> None:
    (study / "trials" / "0001" / "trial.json").unlink()
    with pytest.raises(OutputError, match=r"0001/trial\.json: no trial can be read from it"):
        find_source_trial(study, None, None)


@pytest.fixture
def repeated(tmp_path: Path) -> Path:
    """A study whose only trial was trained on the splits of seeds 5 and 3."""
    repeats = []
    for seed, value in ((5, 0.4), (3, 0.2)):
        name = f"split_seed_{seed}"
        record = made_up_record([value], overrides=[f"data.split_seed={seed}"])
        records.write(tmp_path / "trials" / "0000" / name, record)
        metrics = record.metrics
        repeats.append(
            {"split_seed": seed, "directory": name, "state": "completed", "epochs": 2,
             "best_epoch": 2, "metrics": metrics}
        )  # fmt: skip
    maker = StudyMaker(tmp_path)
    maker.trial([0.3], record=made_up_record([0.3], repeats=repeats))
    return tmp_path


def test_of_several_splits_the_first_is_chosen_or_a_given_one(repeated: Path) -> None:
    first = find_source_trial(repeated, None, None)
    assert first.split_seed == 5
    assert first.record.metrics["validation"]["top_100"] == 0.4
    assert first.directory == repeated / "trials" / "0000" / "split_seed_5"
    assert find_source_trial(repeated, 0, 3).record.config["data"]["split_seed"] == 3
    with pytest.raises(ConfigError, match=r"seed: got 4; must be one that .* with: 5, 3"):
        find_source_trial(repeated, None, 4)


def test_a_confirmed_trial_has_its_confirmed_figures_with_intervals(tmp_path: Path) -> None:
    maker = StudyMaker(tmp_path)
    for _ in range(7):
        maker.trial([0.3])
    maker.trial([0.4])
    made_up_confirmation(tmp_path)
    text, table = confirmed_section(find_source_trial(tmp_path, None, None))
    assert text.startswith("Trial 7 has ")
    # Seeds 43 and 44 have 3 and 4 of 4 rows: 0.875, with t(1) = 12.706 an interval ± 1.5883.
    own = "| top-100 accuracy | the study's own test rows | 0.8750 | -0.7133 to 2.4633 | 2 |"
    assert own in table.splitlines()
    assert "| top-100 accuracy | fresh splits | 0.5000 | – | 1 |" in table.splitlines()
    (other,) = confirmed_section(find_source_trial(tmp_path, 3, None))
    assert other == "None of this trial: the study's confirmation is of trial_7, reference."


def test_the_confirmed_figures_are_of_the_k_that_the_study_goes_by(tmp_path: Path) -> None:
    maker = StudyMaker(tmp_path, top_5="maximize")
    for _ in range(7):
        maker.trial([0.3])
    maker.trial([0.4])
    made_up_confirmation(tmp_path)
    _, table = confirmed_section(find_source_trial(tmp_path, None, None))
    rows = table.splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [
        *["top-5 accuracy"] * 2, *["seen-filtered top-5 accuracy"] * 2,
    ]  # fmt: skip
    assert "| top-5 accuracy | fresh splits | 0.2500 | – | 1 |" in rows


def test_a_confirmation_that_cannot_be_read_is_not_said_to_be_none(tmp_path: Path) -> None:
    maker = StudyMaker(tmp_path)
    maker.trial([0.4])
    (alone,) = confirmed_section(find_source_trial(tmp_path, None, None))
    assert alone.startswith("None: this configuration was not trained anew")
    (tmp_path / "confirmation").mkdir()
    (tmp_path / "confirmation" / "study.db").write_bytes(b"damaged")
    (damaged,) = confirmed_section(find_source_trial(tmp_path, None, None))
    assert damaged.startswith("None that can be read: the study's confirmation is damaged")
