"""Loads the interactions that a configuration names, from the cache or from their source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data import cache, sources, synthetic
from sweeper.two_tower.data.interactions import Interactions


def load_interactions(config: DataConfig, say: Callable[[str], None] = print) -> Interactions:
    """Loads the interactions from the cache, or from their source into the cache.

    Args:
      config: the data set, its source and the cache's directory.
      say: receives a line for each stage that takes more than a moment.

    Raises:
      DataError: the source can't be reached, isn't a usable MovieLens copy or table, or the
        cache's directory can't be written.
    """
    directory = cache.cache_directory(config.cache_dir)
    if config.name == "synthetic":
        generate = partial(synthetic.generate, config.synthetic, say)
        if not synthetic.is_kept(config.synthetic):
            return generate()
        entry, build = synthetic.entry(config.synthetic), generate
    elif config.name == "table":
        # Imported only here, because Arrow's data sets import pandas, which takes 0.2 s.
        from sweeper.two_tower.data.table import table

        entry, build = table.entry(config), partial(table.load, config, say)
    else:
        source = sources.find(config)
        entry, build = source.entry, partial(source.fetch, directory, say)
    return cache.load_or_build(directory, entry, build, say)
