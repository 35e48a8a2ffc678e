"""The names of the metrics, which `sweeper.two_tower.evaluation.metrics` defines."""

from __future__ import annotations

import re

TOP_K = (1, 5, 10, 50, 100)
MRR = "mrr"
# The prefix of metrics that leave out what the user has already seen, see `seen_reading`.
SEEN_FILTERED = "seen_filtered_"
UNFILTERED_METRICS = (
    *(f"top_{k}" for k in TOP_K),
    *(f"ndcg_{k}" for k in TOP_K),
    MRR,
)
METRICS = tuple(f"{prefix}{name}" for prefix in ("", SEEN_FILTERED) for name in UNFILTERED_METRICS)
DEFAULT_METRIC = "top_100"

# Other names of `top_k`, which are the same metric with one relevant item a row.
SAME_AS_TOP_K = ("recall", "hit_rate", "hit_ratio", "hitrate", "hits", "hit", "hr", "accuracy")
_OTHER_NAME = re.compile(
    rf"(?P<prefix>{SEEN_FILTERED})?"
    rf"(?P<name>{'|'.join(SAME_AS_TOP_K)}|top|ndcg|mrr)(?P<k>[_@-]?\d+)?"
)


def metric_name(metric: str) -> str:
    """Returns a metric's name for people: "top-100", "seen-filtered NDCG@10", "MRR"."""
    bare = metric.removeprefix(SEEN_FILTERED)
    name, _, k = bare.partition("_")
    shown = f"NDCG@{k}" if name == "ndcg" else bare.upper() if bare == MRR else f"{name}-{k}"
    return f"{'seen-filtered ' if bare != metric else ''}{shown}"


def seen_reading(split: str, seen: str) -> str:
    """Returns which items seen-filtered metrics leave out: "training", or all "before" the row.

    Args:
      split: `data.split`.
      seen: `evaluation.seen`; "auto" depends on the split.
    """
    if seen != "auto":
        return seen
    return "training" if split == "random" else "before"


def with_same_filter(bare: str, metric: str) -> str:
    """Returns an unfiltered metric, or its seen-filtered form if `metric` is seen-filtered."""
    return f"{SEEN_FILTERED}{bare}" if metric.startswith(SEEN_FILTERED) else bare


def metric_hint(given: str) -> str:
    """Returns an ending for an error line on another library's name of a metric, or "".

    `recall_100` and `HR@10` are `top_100` and `top_10` here. The k must be one of `TOP_K`.
    """
    found = _OTHER_NAME.fullmatch(given.lower())
    if not found:
        return ""
    name, k = found["name"], (found["k"] or "").lstrip("_@-")
    if name == MRR:
        own = with_same_filter(MRR, given.lower())
        return f". MRR is computed over the whole catalogue here: {own!r}"
    own = name if name == "ndcg" else "top"
    if k and int(k) in TOP_K:
        right = repr(with_same_filter(f"{own}_{k}", given.lower()))
    else:
        right = (
            f"'{with_same_filter(own, given.lower())}_K' with K one of {', '.join(map(str, TOP_K))}"
        )
    if name not in SAME_AS_TOP_K:
        return f". Did you mean {right}?"
    return (
        f". It is called {right} here: a row has one relevant item, so that recall@k, the hit "
        "rate and top-k accuracy are the same"
    )
