"""The best possible metrics of made-up data with an order: computed, met by chance, reached."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from small_trials import compose_config

from sweeper.common.console import PLAIN_WIDTH
from sweeper.two_tower.config import METRICS, Config, DataConfig, EvaluationConfig, SyntheticConfig
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.data.synthetic import synthetic_structure
from sweeper.two_tower.data.synthetic_chain import TRANSITION_AFFINITY
from sweeper.two_tower.evaluation.best_possible import best_possible, is_known
from sweeper.two_tower.evaluation.ranking import rank, ranking_tasks
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.trial import run_trial

SIZE = SyntheticConfig(
    num_users=400, num_items=60, num_interactions=8_000, rank=3, affinity=1.0, markov_share=0.7
)
DATA = DataConfig(name="synthetic", split="temporal", synthetic=SIZE)


def plain_probabilities(config: SyntheticConfig, user: int, history: list[int]) -> np.ndarray:
    """P(item | user, history), item by item, straight from the module's formula."""
    users, items, popularity = synthetic_structure(config)
    scale = np.sqrt(config.rank)

    def restricted(direction: np.ndarray, affinity: float) -> np.ndarray:
        weights = popularity * np.exp(affinity * (items @ direction) / scale)
        weights[history] = 0.0
        return weights / weights.sum()

    taste = restricted(users[user], config.affinity)
    if not history:
        return taste
    before = items[history[-1]]
    turned = np.array([before[axis - 1] for axis in range(config.rank)])
    chain = restricted(turned, TRANSITION_AFFINITY)
    return config.markov_share * chain + (1 - config.markov_share) * taste


def test_it_is_what_a_ranking_by_the_true_probabilities_expects_and_comes_to() -> None:
    interactions = load_interactions(DATA)
    split = split_interactions(DATA, interactions)
    rows = split.test
    users, items, times = interactions.users, interactions.items, interactions.timestamps
    assert times is not None
    chances = np.empty((len(rows), 60))
    for place, row in enumerate(rows):
        own = np.flatnonzero(users == users[row])
        own = own[np.argsort(times[own], kind="stable")]
        before = own[: own.tolist().index(row)]
        chances[place] = plain_probabilities(SIZE, users[row], items[before].tolist())
    best = best_possible(DATA, interactions, rows)
    assert list(best) == list(METRICS)
    falling = -np.sort(-chances, axis=1)
    assert best["top_1"] == pytest.approx(falling[:, 0].mean(), abs=1e-5)
    assert best["top_10"] == pytest.approx(falling[:, :10].sum(axis=1).mean(), abs=1e-5)
    assert best["top_100"] == pytest.approx(1.0)
    assert best["mrr"] == pytest.approx((falling / np.arange(1, 61)).sum(axis=1).mean(), abs=1e-5)
    gains = 1 / np.log2(np.arange(2, 12))
    assert best["ndcg_10"] == pytest.approx((falling[:, :10] @ gains).mean(), abs=1e-5)
    # The ranking by these probabilities, on the rows that were drawn; popularity is far below.
    task = ranking_tasks(DATA, EvaluationConfig(), interactions, split)["test"]
    found = rank(lambda start, stop, chosen: chances[start:stop, chosen], task).metrics()
    for metric in ("top_1", "top_10", "mrr", "ndcg_10", "seen_filtered_top_10"):
        assert found[metric] == pytest.approx(best[metric], abs=4 * 0.5 / np.sqrt(len(rows)))
    assert found["top_10"] == found["seen_filtered_top_10"]


def test_it_is_the_same_whatever_rows_are_taken_away_from_training() -> None:
    interactions = load_interactions(DATA)
    config = replace(DATA, cold_start_items=0.3)
    split = split_interactions(config, interactions)
    assert len(split.taken_away) > 1_000
    expected = best_possible(DATA, interactions, split.test)
    assert best_possible(config, interactions, split.test) == expected


@pytest.mark.parametrize(
    ("data", "evaluation", "known"),
    [
        (DATA, EvaluationConfig(), True),
        (replace(DATA, split="leave_last_out"), EvaluationConfig(), True),
        (replace(DATA, split="random"), EvaluationConfig(), False),
        (replace(DATA, synthetic=SyntheticConfig()), EvaluationConfig(), False),
        (DATA, EvaluationConfig(sampled_candidates=10), False),
        (DataConfig(name="movielens_100k", split="temporal"), EvaluationConfig(), False),
    ],
)
def test_where_it_is_known(data: DataConfig, evaluation: EvaluationConfig, known: bool) -> None:
    assert is_known(data, evaluation) == known


def trained(directory: Path, *overrides: str) -> tuple[TrialRecord, str]:
    """A small trial on ordered data, and what it prints."""
    config: Config = compose_config(
        "data=synthetic",
        "data.split=temporal",
        "data.synthetic.num_users=6000",
        "data.synthetic.num_items=100",
        "data.synthetic.num_interactions=30000",
        "data.synthetic.rank=4",
        "data.synthetic.popularity_exponent=0.3",
        "data.synthetic.affinity=0",
        "data.synthetic.markov_share=0.9",
        "features.embedding_dim=8",
        "model.layer_sizes=[8]",
        "task=full_softmax",
        "optimizer=adam",
        "optimizer.learning_rate=0.01",
        "optimizer.schedule=cosine",
        "train.epochs=10",
        "train.batch_size=512",
        "train.xla=false",
        "evaluation.metric=seen_filtered_top_10",
        "evaluation.save_ranks=false",
        *overrides,
    )
    output = io.StringIO()
    console = Console(file=output, width=PLAIN_WIDTH)
    return run_trial(config, directory, console=console, draw=False), output.getvalue()


@pytest.mark.slow
def test_a_tower_that_reads_the_last_title_reaches_it_and_a_tower_of_ids_does_not(
    tmp_path: Path,
) -> None:
    """On 9,000 test rows; the best expected is 0.838, a list by popularity has 0.205."""
    sequence, printed = trained(
        tmp_path / "sequence",
        "features.query=[{column: movie_title, kind: sequence}]",
        "features.candidate=[{column: movie_title, kind: embedding}]",
        "features.sequence.encoder=mean",
        "features.sequence.max_length=1",
    )
    ids, _ = trained(tmp_path / "ids", "features=ids", "features.embedding_dim=8")
    best = sequence.data["best_possible"]["test"]["seen_filtered_top_10"]
    assert ids.data["best_possible"] == sequence.data["best_possible"]
    assert set(ids.data["best_possible"]) == {"validation", "test"}
    assert sequence.metrics["test"]["seen_filtered_top_10"] > best - 0.02
    assert ids.metrics["test"]["seen_filtered_top_10"] < best - 0.5
    lines = [line for line in printed.splitlines() if line.startswith("best possible, on average")]
    assert len(lines) == 2
    assert f"{best:.4f}" in lines[1]
