"""Loads the interactions that a configuration names, from the cache or from their source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data import cache, sources, synthetic
from sweeper.two_tower.data.interactions import Interactions


def load_interactions(config: DataConfig, say: Callable[[str], None] = print) -> Interactions:
    """Loads what `config` names: from the cache, or from its source into the cache.

    Args:
      config: the data set, its source and the cache's directory.
      say: gets a line for each stage that takes more than a moment.

    Raises:
      DataError: the source can't be reached, isn't a MovieLens copy or a table that
        can be used, or the cache's directory can't be written.
    """
    directory = cache.cache_directory(config.cache_dir)
    if config.name == "synthetic":
        generate = partial(synthetic.generate, config.synthetic, say)
        if not synthetic.is_kept(config.synthetic):
            return generate()
        entry, build = synthetic.entry(config.synthetic), generate
    elif config.name == "table":
        # Only here: Arrow's data sets import pandas, in a fifth of a second.
        from sweeper.two_tower.data.table import table

        entry, build = table.entry(config), partial(table.load, config, say)
    else:
        source = sources.find(config)
        entry, build = source.entry, partial(source.fetch, directory, say)
    return cache.load_or_build(directory, entry, build, say)
