"""A study that is started again: it goes on where it was, or is refused; real processes."""

from __future__ import annotations

from pathlib import Path

from toy_runs import (
    BASIC,
    RANGE,
    STUDY,
    check_grid,
    check_whole,
    contents,
    finished,
    leaderboard,
    run,
    trials_of,
)

from sweeper.study import attributes

EPOCHS = "train.epochs=5"


def test_a_study_goes_on_to_a_greater_total_and_writes_nothing_over(tmp_path):
    search = (*RANGE, EPOCHS, STUDY)
    finished(tmp_path, *search, BASIC, "study.n_trials=4")
    study = tmp_path / "study"
    check_whole(study, 4)
    before, first = contents(study / "trials"), trials_of(study)
    # Another sampler is fine.
    printed = finished(tmp_path, *search, "study.n_trials=7", "study.sampler=random")
    assert "the study already has 4 trials" in printed
    check_whole(study, 7)
    after = contents(study / "trials")
    assert {path: after[path] for path in before} == before
    assert trials_of(study)[:4] == first
    assert len(list((study / "trials").iterdir())) == 7
    # The random stream goes on, and does not begin anew.
    rates = [trial.params["optimizer.learning_rate"] for trial in trials_of(study)]
    assert len(set(rates)) == 7
    check_refusals(tmp_path)


def check_refusals(directory: Path) -> None:
    """What is no longer the same study is refused with its keys, and changes nothing."""
    before = contents(directory / "study")

    def problems(*arguments: str) -> list[str]:
        done = run(directory, "-m", STUDY, "study.n_trials=9", *arguments)
        assert done.returncode == 2, done.stdout
        assert contents(directory / "study") == before
        return done.stderr.splitlines()

    lines = problems(
        "optimizer.learning_rate=tag(log,interval(0.001,0.2))", "train.epochs=10",
        "study.objectives=[{metric: top_100, direction: minimize}]",
    )  # fmt: skip
    assert [line.split(";")[0] for line in lines] == [
        "error: study.space.optimizer.learning_rate.high: got 0.2, but the study began with 0.1",
        "error: study.objectives.top_100: got minimize, but the study began with maximize",
        "error: train.epochs: got 10, but the study began with 5",
    ]
    (line,) = problems(*RANGE[1:], EPOCHS, "study.sampler=grid")
    assert line.startswith("error: optimizer.learning_rate: is a range without a step")
    (line,) = problems(*RANGE[1:], EPOCHS, "train.threads=64")
    assert line.startswith("error: train.threads: got 64, but the trials of this study have")


def test_a_damaged_database_is_told(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.db").write_text("no database")
    done = run(tmp_path, *RANGE, BASIC, STUDY, "study.n_trials=2")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "study.db: is not a database of a study, or is damaged: file is not a database" in line


def first_rates(study: Path) -> list[float]:
    trials = [trial for trial in trials_of(study) if attributes.FIRST_SET in trial.user_attrs]
    return [trial.params["optimizer.learning_rate"] for trial in trials]


def test_sets_to_try_first_wait_for_a_greater_total_and_can_be_added(tmp_path):
    def enqueued(*rates: float) -> str:
        sets = ", ".join(f"{{optimizer.learning_rate: {rate}}}" for rate in rates)
        return f"study.enqueue=[{sets}]"

    search = (*RANGE, BASIC, EPOCHS, STUDY, "study.sampler=random")
    printed = finished(tmp_path, *search, "study.n_trials=2", enqueued(0.01, 0.02, 0.03))
    assert "first    there are 3 sets for 2 trials; raise study.n_trials to try all" in printed
    study = tmp_path / "study"
    assert first_rates(study) == [0.01, 0.02]
    printed = finished(tmp_path, *search, "study.n_trials=6", enqueued(0.01, 0.02, 0.03, 0.04))
    assert "first    study.enqueue: 1 set was added and will be tried next" in printed
    assert first_rates(study) == [0.01, 0.02, 0.03, 0.04]
    check_whole(study, 6)


def test_a_study_of_a_name_goes_on_in_its_directory_though_that_was_renamed(tmp_path):
    grid = ("-m", "data.split_seed=0,1", EPOCHS, BASIC)
    finished(tmp_path, *grid, "study.name=grid")
    assert "the study already has 2 trials" in finished(tmp_path, *grid, "study.name=grid")
    check_grid(tmp_path / "outputs" / "grid", 2)
    # One that had its name from its directory.
    finished(tmp_path, *grid, STUDY)
    (tmp_path / "study").rename(tmp_path / "moved")
    printed = finished(tmp_path, *grid, "hydra.sweep.dir=moved")
    assert "the study already has 2 trials" in printed


def test_a_warm_start_tries_the_best_of_an_earlier_study_first(tmp_path):
    search = (*RANGE, BASIC, EPOCHS, "study.sampler=random")
    finished(tmp_path, *search, "study.name=earlier", "study.n_trials=5", "study.seed=7")
    best = [row["optimizer.learning_rate"] for row in leaderboard(tmp_path / "outputs/earlier")][:2]
    printed = finished(
        tmp_path, *search, "study.name=later", "study.n_trials=4", "study.warm_start_trials=2",
        "study.warm_start=outputs/earlier", "model.dropout=0,0.25",
    )  # fmt: skip
    assert (
        "first    the best 2 trials of outputs/earlier are tried first: 2 of 2 values " in printed
    )
    later = tmp_path / "outputs" / "later"
    check_whole(later, 4)
    assert first_rates(later) == [float(rate) for rate in best]
    # What the earlier study did not search is left to the sampler.
    assert all(trial.params["model.dropout"] in (0, 0.25) for trial in trials_of(later))


def test_a_warm_start_from_what_is_no_study_is_told(tmp_path):
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "study.db").write_text("no database")
    done = run(tmp_path, *RANGE, BASIC, STUDY, "study.n_trials=2", f"study.warm_start={earlier}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: study.warm_start: {earlier}/study.db: is not a database")


def test_a_directory_of_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "trial.json").touch()
    done = run(tmp_path, *RANGE, BASIC, STUDY, "study.n_trials=2")
    assert done.returncode == 2
    assert "already holds a trial" in done.stderr
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["trial.json"]


def test_a_grid_does_not_go_on_with_what_another_sampler_began(tmp_path):
    grid = ("-m", "model.dropout=0,0.1,0.2", EPOCHS, STUDY, "study.workers=3")
    printed = finished(tmp_path, *grid, "study.sampler=random", "study.n_trials=1")
    assert "3 workers of" in printed
    done = run(tmp_path, *grid)
    assert done.returncode == 2
    assert done.stderr.startswith("error: study.sampler: got 'grid', but this study has trials of")
