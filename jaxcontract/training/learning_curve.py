"""A training of several seeds that is measured as it goes, and what comes out of it."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.training.seeds import Training

LONGEST_WAIT = 1.0  # seconds between looks at the host, where Ctrl-C is heard
MEASURED = ("reward", "feasible", "regret", "screening_gap", "max_violation")  # in any game


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a learning curve; lists have an entry for each seed.

    reports:       what a `Reference` made of each policy
    train_seconds: what training alone has taken so far, for all seeds together
    metrics:       the learner's own, means over the updates since the last point, each [S]
    """

    update: int
    env_steps: int
    train_seconds: float
    reports: Sequence[Any]
    metrics: dict[str, np.ndarray]
    policies: Sequence[NetworkPolicy]

    def column(self, name: str) -> list[float]:
        """One number of every seed's report."""
        return [getattr(report, name) for report in self.reports]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, one line of `metrics.jsonl`."""
        own = getattr(self.reports[0], "measures", ())  # a game's reports may have others
        return {
            "update": self.update,
            "env_steps": self.env_steps,
            "train_seconds": self.train_seconds,
            "optimum": self.reports[0].optimum,
            **{name: self.column(name) for name in dict.fromkeys((*MEASURED, *own))},
            "learner": self.metrics,
        }


@dataclasses.dataclass(kw_only=True)
class Underway:
    """A training as far as it has come; `measured_training` changes it in place.

    learners: as the training made them
    update:   updates made so far
    seconds:  what they have taken
    reported: the update of the last point, -1 before the first
    sums:     of each metric over the updates since, [S]
    """

    learners: Any
    update: int = 0
    seconds: float = 0.0
    reported: int = -1
    sums: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def measured_training(
    training: Training,
    measure: Callable[[Sequence[NetworkPolicy]], Sequence[Any]],
    marks: Sequence[int],
    *,
    underway: Underway | None = None,
    breaks: Sequence[int] = (),
    between: Callable[[Underway], None] | None = None,
) -> Iterator[Point]:
    """Train to the end, yielding a point at each of the `marks`, update counts in ascending order.

    measure:  (policies of the seeds) → their reports. Measuring reads the learners and changes nothing in
              them: with other marks, the same results.
    underway: where to go on; by default at the start
    breaks:   further update counts, in ascending order, at which to look up
    between:  is called after each chunk of updates, and at breaks; what it raises ends the training
    """
    now = underway or Underway(learners=training.start())
    for mark in (mark for mark in marks if mark > now.reported):
        while now.update < mark:
            stop = next((update for update in breaks if now.update < update < mark), mark)
            _advance(training, now, stop)
            if between and now.update < mark:
                between(now)
        yield _point(training, now, measure)
        if between and now.update:
            between(now)


def _advance(training: Training, now: Underway, stop: int) -> None:
    """Make a chunk of updates, as many as keep the host waiting no longer than it should."""
    pace = now.update / now.seconds if now.seconds else 1.0
    count = min(stop - now.update, max(1, int(LONGEST_WAIT * pace)))
    started = time.perf_counter()
    now.learners, metrics = training.advance(now.learners, count)
    now.seconds += time.perf_counter() - started
    now.update += count
    for name, value in metrics.items():
        now.sums[name] = now.sums.get(name, 0.0) + count * value


def _point(
    training: Training, now: Underway, measure: Callable[[Sequence[NetworkPolicy]], Sequence[Any]]
) -> Point:
    policies = training.policies(now.learners)
    span = now.update - max(now.reported, 0)
    metrics = {name: total / span for name, total in now.sums.items()}
    now.reported, now.sums = now.update, {}
    return Point(
        update=now.update,
        env_steps=now.update * training.batch_size,
        train_seconds=now.seconds,
        reports=measure(policies),
        metrics=metrics,
        policies=policies,
    )


def even_marks(num_updates: int, num_points: int) -> list[int]:
    """Update counts from 0 to the last, `num_points` beside the first, evenly spaced."""
    return np.unique(np.linspace(0, num_updates, num_points + 1).round().astype(int)).tolist()
