from __future__ import annotations

import numpy as np
import pytest

from sweeper.common.errors import DataError
from sweeper.two_tower.data.columns import CategoricalColumn
from sweeper.two_tower.data.tfds_reader import _candidate_indices


def test_rated_titles_point_at_candidates() -> None:
    titles = CategoricalColumn(np.array([1, 0, 1], np.int32), ["b", "d"])
    candidates = CategoricalColumn(np.arange(4, dtype=np.int32), ["a", "b", "c", "d"])
    assert _candidate_indices(titles, candidates).tolist() == [3, 1, 3]


def test_a_title_that_the_catalogue_lacks() -> None:
    titles = CategoricalColumn(np.array([0, 1], np.int32), ["a", "unheard of"])
    candidates = CategoricalColumn(np.array([0], np.int32), ["a"])
    with pytest.raises(DataError, match=r"1 of the rated titles.*'unheard of'"):
        _candidate_indices(titles, candidates)
