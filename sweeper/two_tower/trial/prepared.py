"""What trials of one process share where their data and split are the same.

A study runs many trials in a process. The split, the ranking tasks and the
baselines follow from the data and a few values of the configuration, so the last
results are kept, read-only, under exactly these. The encoded features are kept
in `sweeper.two_tower.training.setup`.
"""

from __future__ import annotations

from collections.abc import Hashable

from sweeper.common.recent import Recent, freeze
from sweeper.two_tower.config import DataConfig, EvaluationConfig
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import Split, split_interactions
from sweeper.two_tower.evaluation.baselines import Baseline, rank_baselines
from sweeper.two_tower.evaluation.ranking import RankingTask, ranking_tasks

_splits: Recent[Split] = Recent()
_tasks: Recent[dict[str, RankingTask]] = Recent()
_baselines: Recent[dict[str, Baseline]] = Recent()


def prepared_split(config: DataConfig, interactions: Interactions) -> Split:
    """As `split_interactions`; the arrays can't be written to."""

    def compute() -> Split:
        split = split_interactions(config, interactions)
        freeze(split.train, split.validation, split.test, split.taken_away)
        return split

    return _splits.get(len(interactions), _split_key(config, interactions), compute)


def prepared_tasks(
    config: DataConfig, evaluation: EvaluationConfig, interactions: Interactions, split: Split
) -> dict[str, RankingTask]:
    """As `ranking_tasks`, without the test rows where they are not to be scored."""

    def compute() -> dict[str, RankingTask]:
        tasks = ranking_tasks(config, evaluation, interactions, split)
        for task in tasks.values():
            freeze(task.users, task.items, task.seen.offsets, task.seen.items)
        return tasks

    key = _tasks_key(config, evaluation, interactions)
    tasks = _tasks.get(len(interactions), key, compute)
    return {
        rows: task
        for rows, task in tasks.items()
        if evaluation.score_test or rows == evaluation.split
    }


def prepared_baselines(
    config: DataConfig,
    evaluation: EvaluationConfig,
    interactions: Interactions,
    split: Split,
    tasks: dict[str, RankingTask],
    threads: int,
) -> dict[str, Baseline]:
    """As `rank_baselines`; the arrays can't be written to."""

    def compute() -> dict[str, Baseline]:
        baselines = rank_baselines(evaluation, interactions, split.train, tasks, threads)
        for baseline in baselines.values():
            for ranks in baseline.ranks.values():
                freeze(ranks.unfiltered, ranks.seen_filtered)
        return baselines

    key = (
        _tasks_key(config, evaluation, interactions),
        tuple(evaluation.baselines),
        evaluation.ease_regularization,
        evaluation.recent_popularity_days,
        evaluation.covisitation_window,
        evaluation.covisitation_history,
        evaluation.save_ranks,
        tuple(tasks),
        threads,
    )
    return _baselines.get(len(interactions), key, compute)


def _tasks_key(
    config: DataConfig, evaluation: EvaluationConfig, interactions: Interactions
) -> Hashable:
    """What ranking tasks follow from."""
    return (
        _split_key(config, interactions),
        interactions.timestamp_column,
        config.same_time,
        evaluation.sampled_candidates,
        evaluation.seen,
    )


def _split_key(config: DataConfig, interactions: Interactions) -> Hashable:
    """What a split follows from."""
    return (
        interactions.fingerprint,
        interactions.user_column,
        interactions.item_column,
        config.split,
        config.split_seed,
        config.cut,
        config.train_size,
        config.validation_size,
        config.test_size,
        config.cold_start_items,
    )
