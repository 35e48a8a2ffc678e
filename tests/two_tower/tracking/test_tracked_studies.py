"""A study from the command line whose trials, in processes of two workers, are tracked."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from offline_runs import offline_run
from processes import run_module

from sweeper.two_tower import record as records
from sweeper.two_tower.tracking.to_mlflow import uri_of

pytestmark = pytest.mark.slow

NAMES = [f"{number:04d}" for number in range(4)]
STUDY = (
    "-m", "data=synthetic", "train=quick", "train.epochs=2", "train.eval_every_epochs=1",
    "train.xla=false", "model=linear,one_layer", "optimizer.learning_rate=0.05,0.1",
    "study.name=towers", "study.workers=2", "study.split_seeds=[3,5]",
)  # fmt: skip
TRACKING = ("tracking.tensorboard=true", "tracking.mlflow=runs", "tracking.wandb=two-towers")


def run(directory: Path, *arguments: str) -> Path:
    """Runs the study below the directory; returns where its trials are."""
    done = run_module(directory, "sweeper", *STUDY, *arguments, timeout=300, WANDB_MODE="offline")
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "outputs" / "towers" / "trials"


@pytest.fixture(scope="module")
def trials(packages, tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("tracked"), *TRACKING)


def repeats(trials: Path) -> list[Path]:
    return [trials / name / f"split_seed_{seed}" for name in NAMES for seed in (3, 5)]


def test_the_results_are_those_without_trackers(trials, tmp_path):
    untracked = run(tmp_path)
    for name in NAMES:
        tracked, plain = (records.read(place / name) for place in (trials, untracked))
        assert (tracked.state, tracked.untracked) == ("completed", {})
        # What is compared holds no trackers.
        assert tracked.config == plain.config
        assert tracked.metrics == plain.metrics
        assert [row["loss"] for row in tracked.history] == [row["loss"] for row in plain.history]


def test_a_tracked_study_goes_on_as_the_same_without_trackers(trials):
    before = sorted(trials.rglob("trial.json"))
    run(trials.parents[2])
    assert sorted(trials.rglob("trial.json")) == before


def test_mlflow_has_one_experiment_and_a_run_for_each_repeat(trials):
    from mlflow import MlflowClient

    client = MlflowClient(uri_of(str(trials.parents[2] / "runs")))
    assert {each.name for each in client.search_experiments()} == {"Default", "towers"}
    experiment = client.get_experiment_by_name("towers")
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert len(runs) == len(by_name) == 8
    for directory in repeats(trials):
        run = by_name[f"{directory.parent.name}/{directory.name}"]
        record = records.read(directory)
        assert run.info.status == "FINISHED"
        assert int(run.data.tags["trial"]) == int(directory.parent.name)
        assert run.data.tags["split_seed"] == run.data.params["data.split_seed"]
        final = record.metrics["test"]["top_100"]
        assert run.data.metrics["final/test/top_100"] == final


def test_wandb_has_a_closed_run_in_each_repeats_directory(trials):
    for directory in repeats(trials):
        run = offline_run(directory)
        assert (run.group, run.exit_code) == ("towers", 0)
        assert run.name == f"{directory.parent.name}/{directory.name}"
        assert len(run.history) == 2


def test_no_process_of_wandb_outlives_the_study(trials):
    """It looks for its parent once a second or so."""
    deadline = time.monotonic() + 15
    while left := [p for p in psutil.process_iter(["name", "cwd"]) if is_left(p, trials)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def is_left(process: psutil.Process, trials: Path) -> bool:
    name, place = process.info["name"], process.info["cwd"]
    return name.startswith("wandb") and place == str(trials.parents[2])


def test_the_hparams_tab_compares_the_trials(trials):
    """A row for each trial, with the means of its repeats; what differs comes first."""
    from tensorboard.context import RequestContext
    from tensorboard.plugins.hparams import api_pb2, list_session_groups

    context = hparams_context(trials.parent)
    asked = RequestContext()
    experiment = context.experiment_from_metadata(
        asked, "", True, context.hparams_metadata(asked, ""), []
    )
    differing = [info.name for info in experiment.hparam_infos if info.differs]
    assert differing == ["model.layer_sizes", "optimizer.learning_rate"]
    assert [info.name for info in experiment.hparam_infos][:2] == differing
    # The page shows the first five at first.
    shown = [info.name.tag for info in experiment.metric_infos[:5]]
    assert shown == [f"final/test/top_{k}" for k in (1, 10, 100, 5, 50)]

    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        allowed_statuses=[api_pb2.STATUS_SUCCESS],
        aggregation_type=api_pb2.AGGREGATION_AVG,
        col_params=[
            api_pb2.ColParams(
                metric=api_pb2.MetricName(tag="final/test/top_100"), include_in_result=True
            )
        ],
        include_metrics=True,
    )
    handler = list_session_groups.Handler(asked, context, "", request)
    groups = {group.name.split()[0]: group for group in handler.run().session_groups}
    assert sorted(groups) == NAMES
    for name, group in groups.items():
        values = {value.name.tag: value.value for value in group.metric_values}
        mean = records.read(trials / name).metrics["test"]["top_100"]
        assert values["final/test/top_100"] == pytest.approx(mean, rel=1e-6)
        assert len(group.sessions) == 2


def hparams_context(logdir: Path):
    """What the HParams plugin answers its page from."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams.backend_context import Context

    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logdir))
    return Context(SimpleNamespace(data_provider=provider))
