"""Computes the split, the ranking tasks and the baselines once for all trials of a process.

A study runs many trials in one process. These results depend on the data and on a few values of
the configuration only, so the last ones are kept, read-only, under exactly these values.
`sweeper.two_tower.training.setup` keeps the encoded features.
"""

from __future__ import annotations

from collections.abc import Hashable

from cachetools import LRUCache

from sweeper.common.result_cache import freeze, get_or_compute
from sweeper.two_tower.config import DataConfig, EvaluationConfig
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import Split, split_interactions
from sweeper.two_tower.evaluation.baselines import Baseline, rank_baselines
from sweeper.two_tower.evaluation.ranking import RankingTask, ranking_tasks

_splits: LRUCache[Hashable, Split] = LRUCache(8)
_tasks: LRUCache[Hashable, dict[str, RankingTask]] = LRUCache(8)
_baselines: LRUCache[Hashable, dict[str, Baseline]] = LRUCache(8)


def prepared_split(config: DataConfig, interactions: Interactions) -> Split:
    """Returns what `split_interactions` returns, with read-only arrays."""

    def compute() -> Split:
        split = split_interactions(config, interactions)
        freeze(split.train, split.validation, split.test, split.taken_away)
        return split

    return get_or_compute(_splits, _split_key(config, interactions), compute, len(interactions))


def prepared_tasks(
    config: DataConfig, evaluation: EvaluationConfig, interactions: Interactions, split: Split
) -> dict[str, RankingTask]:
    """Returns what `ranking_tasks` returns, without test rows that must not be scored."""

    def compute() -> dict[str, RankingTask]:
        tasks = ranking_tasks(config, evaluation, interactions, split)
        for task in tasks.values():
            freeze(task.users, task.items, task.seen.offsets, task.seen.items)
        return tasks

    key = _tasks_key(config, evaluation, interactions)
    tasks = get_or_compute(_tasks, key, compute, len(interactions))
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
    """Returns what `rank_baselines` returns, with read-only arrays."""

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
    return get_or_compute(_baselines, key, compute, len(interactions))


def _tasks_key(
    config: DataConfig, evaluation: EvaluationConfig, interactions: Interactions
) -> Hashable:
    """All values that decide the ranking tasks."""
    return (
        _split_key(config, interactions),
        interactions.timestamp_column,
        config.same_time,
        evaluation.sampled_candidates,
        evaluation.seen,
    )


def _split_key(config: DataConfig, interactions: Interactions) -> Hashable:
    """All values that decide the split."""
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
