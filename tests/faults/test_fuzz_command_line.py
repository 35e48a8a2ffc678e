"""Whatever stands on the command line: it is understood, or an error says why not."""

from __future__ import annotations

import random

import pytest
from bounds import told
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nasty import NASTY_NUMBERS, NASTY_TEXTS, OFTEN
from plans import planner
from processes import run_module

from sweeper.cli.command_line import prepare
from sweeper.two_tower.config import known_keys
from sweeper.two_tower.config.experiment import ExperimentConfig, register_schema

GROUPS = ["data", "features", "model", "task", "optimizer", "train", "experiment", "study"]
KEYS = [
    *known_keys(ExperimentConfig), *GROUPS, "hydra.sweep.dir", "hydra.mode", "hydra/launcher",
    "hydra.launcher.n_jobs", "optimizer.options.momentum", "study.space.model.dropout.low",
    "study.sampler_options.tpe.n_startup_trials", "study.pruner_options.hyperband.min_resource",
]  # fmt: skip
# Hydra's and this project's own, to be combined and broken.
WORDS = [
    "one_layer,two_layer", "choice(1,2)", "range(1,5)", "range(0,1,0.1)", "interval(0.001,0.1)",
    "tag(log,interval(1e-4,0.1))", "int(interval(1,8))", "glob(*)", "sort(3,1)", "shuffle(1,2,3)",
    "[1,2]", "[{metric: top_100}]", "{a: 1}", "null", "true", "tpe", "[0,1,2]", "'a b'",
    "${train.epochs}", "architecture", "cmaes", "wilcoxon", "sequential", "test", "[]", "{}",
    "range(1,1000000000000)", "range(0,1,0)", "interval(0,inf)", "range(nan,1)",
]  # fmt: skip
LETTERS = "=,()[]{}'\"\\$:~+@ .#%-_0aé\0\n"


@st.composite
def overrides(draw: st.DrawFn) -> str:
    prefix = draw(st.sampled_from(["", "", "", "", "+", "++", "~"]))
    key = draw(
        st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), st.text(LETTERS, max_size=6))
    )
    value = draw(
        st.one_of(
            st.sampled_from(WORDS),
            st.sampled_from(WORDS),
            st.sampled_from(NASTY_NUMBERS).map(repr),
            st.sampled_from(NASTY_TEXTS),
            st.lists(st.sampled_from(WORDS), min_size=2, max_size=3).map(",".join),
            st.text(LETTERS, max_size=12),
        )
    )
    text = f"{prefix}{key}={value}"
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.text(LETTERS, max_size=3)) + text[place + 1 :]
    return text


SEARCH = ["optimizer.learning_rate=tag(log,interval(0.01,1))", "study.n_trials=3"]
commands = st.tuples(
    st.sampled_from([[], [], SEARCH, SEARCH, ["study=architecture"], ["study=pareto"]]),
    st.lists(overrides(), min_size=1, max_size=3),
).map(lambda parts: [*parts[0], *parts[1]])


def check(given: list[str]) -> None:
    """As `python -m sweeper -m …` goes about it, until the study would be opened."""
    register_schema()

    def plan() -> None:
        prepare(["--multirun", *given])
        with planner() as made:
            made.plan(*given)

    lines = told(plan, seconds=30).splitlines()
    assert all(len(line) < 5_000 for line in lines)


@settings(max_examples=12, **OFTEN)
@given(commands)
@example(["model.dropout=range(1,1000000000000)"])
@example(["optimizer.learning_rate=range(0,1,1e-12)"])
@example(["train.epochs=range(0,1,0)"])
@example(["train.epochs=range(5,inf)"])
@example(["train.epochs=shuffle(range(5,9000))"])
@example(["no_key=range(0,100000)"])
@example(["train.epochs=1" + 400 * "0"])
@example(["train.epochs=1" + 5_000 * "0"])
@example(["train.seed=1" + 30 * "0"])
@example(["data.validation_size=1" + 400 * "0"])
@example(["model.layer_sizes=[1" + 30 * "0" + "]"])
@example(["study.split_seeds=[1" + 30 * "0" + "]"])
@example(["study.workers=100000"])
@example([*SEARCH, "study.enqueue=[{optimizer.learning_rate: 1" + 400 * "0" + "}]"])
@example([*SEARCH, "study.warm_start=" + 5_000 * "a"])
@example([*SEARCH, "study.warm_start='~nobody/x'"])
@example(["data.source=" + 5_000 * "a"])
@example(["data.source='~nobody/x'"])
@example(["study.name=" + 300 * "a"])
@example(["study.name='a\nb'"])
@example(["study.name='\ud800'"])
@example(["hydra.sweep.dir='\0'"])
@example(["model=null"])
@example(["evaluation=${oc.env:HOME}"])
@example(["study.confirm=${oc.env:HOME}"])
@example(["=1"])
@example(["+=cmaes"])
@example(["evaluation.baselines=[[popularity]]"])
@example(["train.epochs=" + 500 * "[" + 500 * "]"])
@example(["+optimizer.options.a=" + 200 * "[" + 200 * "]"])
@example(["+optimizer.options." + ".".join(2_000 * "a") + "=1"])
@example(
    [*SEARCH, "study.pruner=wilcoxon", "+study.pruner_options.wilcoxon.p_threshold=nan",
     "study.split_seeds=[1,2,3]", "study.seed_mode=sequential"]
)  # fmt: skip
def test_a_command_is_understood_or_refused(given):
    check(given)


@pytest.mark.slow
@settings(max_examples=60, **OFTEN)
@given(commands)
def test_any_command_is_understood_or_refused(given):
    check(given)


@pytest.mark.slow
def test_real_processes_end_with_a_line(tmp_path):
    """A few dozen, of those whose words can't start a study: `--cfg` composes, and runs nothing."""
    choose = random.Random(0)
    for index in range(36):
        words = [
            f"{choose.choice(KEYS)}={choose.choice([*WORDS, *map(repr, NASTY_NUMBERS)])}"
            for _ in range(2)
        ]
        start = ["--cfg", "job"] if index % 2 else ["-m", "hydra.sweep.dir='\\\\0'", "no.such=key"]
        done = run_module(tmp_path, "sweeper", *start, *words, timeout=60)
        assert "Traceback" not in done.stderr, words
        assert done.returncode in (0, 2), (words, done.stderr)
        assert list(tmp_path.iterdir()) == []
