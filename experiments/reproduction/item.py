"""What a study hands back, to be written and summed up."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.text_tables import round_down
from jaxcontract.evaluation.statistics import bootstrap_interval

Row = Mapping[str, Any]


class Claim(NamedTuple):
    """A statement of the paper, or of this project, held against the numbers."""

    text: str
    verdict: str  # "holds", "holds in part", "does not hold"
    evidence: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """tables: rows by the name of their CSV file; notes: paragraphs of Markdown.

    figures: by the name of their PNG file, each drawn when it is called, after the tables are written
    """

    tables: Mapping[str, Sequence[Row]]
    figures: Mapping[str, Callable[[], Any]]
    claims: Sequence[Claim] = ()
    notes: Sequence[str] = ()


def verdict(holds: bool) -> str:
    """In words."""
    return "holds" if holds else "does not hold"


def mean_with_interval(values: Any) -> tuple[float, float, float]:
    """(mean, low, high) over seeds; the interval collapses onto a mean of fewer than two."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return (float("nan"),) * 3
    mean = float(np.mean(values))
    low, high = bootstrap_interval(values) if values.size > 1 else (mean, mean)
    return mean, low, high


def quote(values: Any, digits: int = 3) -> str:
    """`mean [low, high]` over seeds; says so where some of them have no value."""
    mean, low, high = mean_with_interval(values)
    known, count = int(np.isfinite(values).sum()), len(values)
    if not known:
        return "none"
    fewer = f" ({known} of {count} seeds)" if known < count else ""
    return f"{mean:.{digits}g} [{low:.{digits}g}, {high:.{digits}g}]{fewer}"


def percent(share: float) -> str:
    """A share in per cent, never rounded up to all."""
    return f"{round_down(100 * share, 2, whole=100)} %"


def at_most(value: float, digits: int = 2) -> str:
    """A bound that holds: the value in `digits` digits, never rounded below itself."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    return f"{math.ceil(value / unit - 1e-9) * unit:.{digits}g}"
