"""What a study is told about its data before its first trial."""

from __future__ import annotations

import os

import pytest
from new_studies import IDENTITY, new_study
from plans import Planner, planner

from sweeper.common.errors import ConfigError, DataChangedError, DataError
from sweeper.study import attributes
from sweeper.study.plan import Plan
from sweeper.two_tower.studies.data_check import check_data, check_same_data, data_attributes

HEAD = "user_id,item_id,timestamp,age"
ROWS = [f"u{row % 7},item {row % 5},{1_500_000_000 + row},{20 + row}" for row in range(60)]
TABLE = ("data=table", "data.path=ratings.csv", "features=ids", "study.name=s")


def write_table(rows=ROWS, head=HEAD) -> None:
    with open("ratings.csv", "w") as file:
        file.write("\n".join([head, *rows]) + "\n")


@pytest.fixture
def hydra(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWEEPER_CACHE_DIR", str(tmp_path / "cache"))
    write_table()
    with planner() as found:
        yield found


def checked(hydra: Planner, *arguments: str) -> Plan:
    said: list[str] = []
    return check_data(hydra.plan(*TABLE, *arguments), hydra.loader, said.append)


def problems(hydra: Planner, *arguments: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        checked(hydra, *arguments)
    return error.value.problems


def test_each_choice_of_a_group_is_held_to_the_columns_of_the_table(hydra):
    # `rich` is for MovieLens's columns.
    found = problems(hydra, "features=ids,rich")
    assert all(line.endswith("(with features=rich)") for line in found)
    columns = [line.partition(": got ")[2].partition(";")[0] for line in found]
    assert {"'raw_user_age'", "'user_gender'", "'movie_genres'"} <= set(columns)
    assert "must be one of age, timestamp, user_id" in found[0]
    # Each once, whatever else is searched.
    assert len(found) == len(set(found))
    assert problems(hydra, "features=ids,rich", "model.dropout=0.1,0.2,0.3") != []
    again = problems(hydra, "features=ids,rich", "model.dropout=0.1,0.2,0.3")
    assert len(again) == len(found)


def test_a_study_that_began_with_a_choice_that_does_not_fit_goes_on(hydra, tmp_path):
    said: list[str] = []
    plan = hydra.plan(*TABLE, "features=ids,rich", f"hydra.sweep.dir={tmp_path / 'begun'}")
    plan.directory.mkdir()
    new_study(plan.directory)
    assert check_data(plan, hydra.loader, said.append).fingerprint
    assert any(
        "'raw_user_age'" in line and line.endswith(": such trials will fail") for line in said
    )


def test_so_is_a_kind_that_does_not_fit_a_column_in_one_choice(hydra):
    feature = "{{column: {}, kind: {}}}".format
    chosen = f"choice([{feature('age', 'embedding')}],[{feature('age', 'buckets')}])"
    (line,) = problems(
        hydra, f"features.query={chosen}", "study.sampler=random", "study.n_trials=2"
    )
    assert line.startswith("features.query[0].kind: got 'embedding' for 'age', a column of numbers")


def test_so_are_the_cuts_that_are_to_confirm(hydra):
    asked = (
        "data.columns.timestamp=timestamp", "data.split=temporal", "data.test_size=20",
        "data.validation_size=5", "model.dropout=0.1,0.2", "study.confirm.best=1",
    )  # fmt: skip
    # Of 60 rows 40 come after cut 2, and its test rows are the others.
    (line,) = problems(hydra, *asked)
    assert "data.cut=2: of 60 rows these are 0 for training, 0 for validation and 20 for" in line
    assert "and 40 come after the cut" in line
    assert line.endswith("(with study.confirm.cuts=3)")
    assert checked(hydra, *asked, "study.confirm.cuts=2").fingerprint


def test_so_are_sizes_and_the_reference(hydra):
    (line,) = problems(hydra, "data.test_size=10,1000", "data.validation_size=10")
    assert "data.test_size=1000" in line
    assert line.endswith("(with data.test_size=1000)")
    (line, *_) = problems(hydra, "model.dropout=0.1,0.2", "study.reference=tutorial_three_layer")
    assert line.endswith("(with study.reference=tutorial_three_layer)")


@pytest.mark.parametrize(
    ("objectives", "warned"),
    [
        # The table has five items.
        ("[{metric: top_100}]", ["top_100"]),
        ("[{metric: seen_filtered_top_5}, {metric: top_1}]", ["seen_filtered_top_5"]),
        ("[{metric: ndcg_10}, {metric: num_parameters, direction: minimize}]", []),
    ],
)
def test_an_objective_that_is_the_same_for_every_trial_is_warned_of(hydra, objectives, warned):
    said: list[str] = []
    plan = hydra.plan(*TABLE, "model.dropout=0.1,0.2", f"study.objectives={objectives}")
    check_data(plan, hydra.loader, said.append)
    found = [line for line in said if line.startswith("warning: ")]
    assert len(found) == len(warned)
    for line, metric in zip(found, warned, strict=True):
        assert line.startswith(f"warning: study.objectives {metric} is the same for every model")
        assert "use top_1, or mrr" in line.replace("seen_filtered_", "")


def test_made_up_data_is_held_to_its_columns_without_being_drawn(hydra, monkeypatch):
    arguments = ("data=synthetic", "data.path=null", "data.synthetic.num_interactions=100000000")
    size = ("data.synthetic.num_users=1000000", "data.synthetic.num_items=100000")
    plan = checked(
        hydra, *arguments, *size, "features=ids,rich", "evaluation.baselines=[popularity]"
    )
    assert plan.fingerprint is None
    assert plan.one_data
    (line,) = problems(hydra, *arguments, *size, "features=ids,rich", "evaluation.baselines=[ease]")
    assert line.startswith("evaluation.baselines: got 'ease' for 1,000,000 users")


def test_a_table_that_cannot_be_read_is_told(hydra):
    write_table(head="person,item_id,timestamp,age")
    with pytest.raises(DataError, match=r"data\.columns\.user: got 'user_id'"):
        checked(hydra, "model.dropout=0.1,0.2")


def test_several_data_sets_have_no_fingerprint_in_common(hydra):
    plan = hydra.plan("features=ids", "data=synthetic,movielens_100k")
    assert not plan.one_data
    assert hydra.plan("features=ids", "data=synthetic", "data.split_seed=1,2").one_data


def began(hydra: Planner, directory) -> tuple:
    plan = checked(hydra, "model.dropout=0.1,0.2")
    return plan, new_study(directory, {**IDENTITY, **data_attributes(plan)})


def test_a_table_that_is_the_same_goes_on(hydra, tmp_path):
    _, study = began(hydra, tmp_path)
    # Written again, with the same contents.
    write_table()
    os.utime("ratings.csv", ns=(10**18, 10**18))
    plan = checked(hydra, "model.dropout=0.1,0.2")
    check_same_data(study, plan)
    files = study.user_attrs[attributes.DATA_FILES]
    assert files["data.path: ratings.csv"][1] == 10**18


def test_a_table_that_has_changed_is_told_with_its_file(hydra, tmp_path):
    first, study = began(hydra, tmp_path)
    write_table(ROWS[:-1])
    plan = checked(hydra, "model.dropout=0.1,0.2")
    with pytest.raises(DataChangedError) as error:
        check_same_data(study, plan)
    text = str(error.value)
    size = len("\n".join([HEAD, *ROWS])) + 1
    assert text.startswith("data.path: the table ratings.csv has changed since the study in ")
    assert f"data.path: ratings.csv had {size:,} bytes of " in text
    assert f"and has {size - len(ROWS[-1]) - 1:,} bytes of " in text
    assert text.endswith("to start a new study, set another study.name or hydra.sweep.dir")
    assert "cache" not in text
    # Nothing of what the study knows has changed.
    assert study.user_attrs[attributes.FINGERPRINT] == first.fingerprint


def test_a_study_older_than_this_knows_its_fingerprint_alone(hydra, tmp_path):
    plan = checked(hydra, "model.dropout=0.1,0.2")
    study = new_study(tmp_path, {**IDENTITY, attributes.FINGERPRINT: "f" * 64})
    with pytest.raises(DataChangedError, match="was ffffffffffff and is"):
        check_same_data(study, plan)
    # One without a trial yet, or with the same data, takes over what it didn't know.
    study.set_user_attr(attributes.FINGERPRINT, plan.fingerprint)
    check_same_data(study, plan)
    assert list(study.user_attrs[attributes.DATA_FILES]) == ["data.path: ratings.csv"]


def test_files_that_come_and_go_are_named(hydra, tmp_path):
    os.mkdir("parts")
    os.rename("ratings.csv", "parts/a.csv")
    folder = ("data.path=parts", "model.dropout=0.1,0.2")
    plan = checked(hydra, *folder)
    study = new_study(tmp_path, {**IDENTITY, **data_attributes(plan)})
    write_table(ROWS[:30])
    os.rename("ratings.csv", "parts/b.csv")
    plan = checked(hydra, *folder)
    with pytest.raises(
        DataChangedError, match=r"began: data\.path: b\.csv is new; restore the data"
    ):
        check_same_data(study, plan)
