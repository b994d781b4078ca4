"""A training of several seeds that is measured as it goes, and what comes out of it."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jaxcontract.env import ContractEnv, EnvParams
from jaxcontract.evaluation import Report, Yardstick, judge, random_contracts, scheme_contracts
from jaxcontract.learning.policy import Policy
from jaxcontract.learning.seeds import Training
from jaxcontract.mechanism.optimum import pooled_contract

LONGEST_WAIT = 1.0  # seconds between looks at the host, where Ctrl-C is heard


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a learning curve; lists have an entry for each seed.

    train_seconds: what training alone has taken so far, for all seeds together
    metrics:       the learner's own, means over the updates since the last point, each [S]
    """

    update: int
    env_steps: int
    train_seconds: float
    reports: Sequence[Report]
    metrics: dict[str, np.ndarray]
    policies: Sequence[Policy]

    @property
    def diverged(self) -> list[int]:
        """The positions of the seeds whose numbers are no longer finite."""
        finite = np.ones(len(self.policies), bool)
        for values in self.metrics.values():
            finite &= np.isfinite(values)
        for position, policy in enumerate(self.policies):
            finite[position] &= all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(policy.weights))
        return np.flatnonzero(~finite).tolist()

    def column(self, name: str) -> list[float]:
        """One number of every seed's report."""
        return [getattr(report, name) for report in self.reports]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, one line of `metrics.jsonl`."""
        measured = ("reward", "feasible", "regret", "screening_gap", "max_violation")
        return {
            "update": self.update,
            "env_steps": self.env_steps,
            "train_seconds": self.train_seconds,
            **{name: self.column(name) for name in measured},
            "learner": self.metrics,
        }


def measured_training(
    training: Training,
    measure: Callable[[int, Policy], Report],
    marks: Sequence[int],
) -> Iterator[Point]:
    """Train to the end, yielding a point at each of the `marks`, update counts in ascending order.

    measure: (position among the seeds, its policy) → report. Measuring reads the learners and changes
        nothing in them: with other marks, the same results.
    """
    learners, seconds, done = training.start(), 0.0, 0
    for mark in marks:
        sums: dict[str, Any] = {}
        begun = done
        while done < mark:
            pace = done / seconds if done else 1.0
            count = min(mark - done, max(1, int(LONGEST_WAIT * pace)))
            started = time.perf_counter()
            learners, metrics = training.advance(learners, count)
            seconds += time.perf_counter() - started
            done += count
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0.0) + count * value
        policies = training.policies(learners)
        yield Point(
            update=done,
            env_steps=done * training.batch_size,
            train_seconds=seconds,
            reports=[measure(position, policy) for position, policy in enumerate(policies)],
            metrics={name: total / (done - begun) for name, total in sums.items()},
            policies=policies,
        )


def even_marks(num_updates: int, num_points: int) -> list[int]:
    """Update counts from 0 to the last, `num_points` beside the first, evenly spaced."""
    return np.unique(np.linspace(0, num_updates, num_points + 1).round().astype(int)).tolist()


def reference_reports(params: EnvParams, yardstick: Yardstick) -> dict[str, Report]:
    """What no learner is needed for: the best pooled item, random feasible contracts, random ones."""
    num_types = yardstick.states.device_types.shape[-1]
    contracts = {"pooled": scheme_contracts(pooled_contract, yardstick)}
    for name, actions in (("random feasible", "feasible"), ("random", "raw")):
        env = ContractEnv(num_types=num_types, actions=actions)
        contracts[name] = random_contracts(env, params, yardstick.states)
    return {
        name: judge(offered, yardstick, penalty=params.penalty, tolerance=params.tolerance)
        for name, offered in contracts.items()
    }
