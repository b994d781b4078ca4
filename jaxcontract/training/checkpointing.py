"""Keeps a training on disk as it goes, so that it can go on where it stopped, bit for bit."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.pytree import Arrays, from_arrays, to_arrays
from jaxcontract.learning.divergence import Divergence, as_array
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.storage.checkpoints import Checkpoints
from jaxcontract.training.learning_curve import Underway
from jaxcontract.training.seeds import Training
from jaxcontract.training.signals import Interruption


class InterruptedRunError(Exception):
    """The training was asked to stop, and has."""


class Keeper:
    """Saves a training at some of its updates, and when it is asked to stop.

    breaks: update counts at which to save, in ascending order
    say:    is told in one line of what a person should know
    describe: what a seed is called to a person
    pause:  seconds that a save at one of the updates comes after the last one, at least

    A seed that has diverged is kept as it was when it was last saved with finite numbers.
    curve:    the points so far, as plain values; the caller adds to it
    diverged: by seed
    unsaved:  why the last attempt to save has failed; None when it has not
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        training: Training,
        seeds: Sequence[int],
        breaks: Sequence[int],
        interruption: Interruption,
        say: Callable[[str], None],
        describe: Callable[[int], str] = "seed {}".format,
        pause: float = 0.0,
    ) -> None:
        self.checkpoints, self.training, self.seeds = checkpoints, training, list(seeds)
        self.breaks, self.interruption, self.say = breaks, interruption, say
        self.describe, self.pause = describe, pause
        self._saved = time.monotonic()
        self.curve: list[dict[str, Any]] = []
        self.diverged: dict[int, Divergence] = {}
        self.unsaved: str | None = None
        self._finite: dict[int, Arrays] = {}

    def start(self) -> Underway:
        """The training where it was last saved, or at its start.

        Raises:
            NothingLoadableError: when it was saved, and nothing of that can be loaded.
        """
        learners = self.training.start()
        fresh = self.training.apart(learners)
        self._like = fresh[0]
        self._finite = dict(zip(self.seeds, map(to_arrays, fresh), strict=True))
        step = self.checkpoints.newest(self._finite, self.say)
        if step is None:
            return Underway(learners=learners)
        self._finite = step.arrays
        self.curve = step.notes["curve"]
        diverged = step.notes["diverged"].items()
        self.diverged = {int(seed): Divergence(*found) for seed, found in diverged}
        return Underway(
            learners=self.training.together([self._going_on(seed) for seed in self.seeds]),
            update=step.update,
            seconds=step.notes["seconds"],
            reported=step.notes["reported"],
            sums={name: _array(values) for name, values in step.notes["sums"].items()},
        )

    def __call__(self, now: Underway) -> None:
        """Look up between two chunks of updates: save if it is time to, stop if that was asked for.

        From the first time on there is work to lose, and signals are noted instead of ending the program.

        Raises:
            InterruptedRunError: after saving.
        """
        self.interruption.hold()
        self._look_for_divergence(now)
        waited = time.monotonic() - self._saved >= self.pause
        if (now.update in self.breaks and waited) or self.interruption.requested:
            self._save(now)
        if self.interruption.requested:
            raise InterruptedRunError

    def policies(self, now: Underway) -> list[NetworkPolicy]:
        """The policy of every seed; of one that has diverged, the last that was saved."""
        policies = self.training.policies(now.learners)
        for position, seed in enumerate(self.seeds):
            if seed in self.diverged:
                policies[position] = self._learner(seed).policy
        return policies

    def _learner(self, seed: int) -> Any:
        return from_arrays(self._like, self._finite[seed])

    def _going_on(self, seed: int) -> Any:
        """The learner of a seed; of one that has diverged, as undefined as it was, to be left alone."""
        learner = self._learner(seed)
        if seed not in self.diverged:
            return learner
        return dataclasses.replace(
            learner,
            weights=jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), learner.weights),
            divergence=as_array(self.diverged[seed]),
        )

    def _look_for_divergence(self, now: Underway) -> None:
        for seed, divergence in zip(self.seeds, self.training.divergences(now.learners), strict=True):
            if divergence and seed not in self.diverged:
                self.diverged[seed] = divergence
                name, (update, quantity) = self.describe(seed), divergence
                self.say(
                    f"{name} diverged in update {update}: its {quantity} is not finite; it stops here, and "
                    "the other seeds go on"
                )

    def _save(self, now: Underway) -> None:
        for seed, learner in zip(self.seeds, self.training.apart(now.learners), strict=True):
            if seed not in self.diverged:
                self._finite[seed] = to_arrays(learner)
        notes = {
            "seconds": now.seconds,
            "reported": now.reported,
            "sums": {name: _plain(values) for name, values in now.sums.items()},
            "curve": self.curve,
            "diverged": {str(seed): list(divergence) for seed, divergence in self.diverged.items()},
        }
        try:
            self.checkpoints.save(now.update, self._finite, notes)
            self._saved = time.monotonic()
            self.unsaved = None
        except OSError as error:
            self.unsaved = f"update {now.update} could not be saved: {error}"
            self.say(f"{self.unsaved}; the checkpoints before it are as they were, and training goes on")


def _plain(values: np.ndarray) -> list[float | None]:
    """Numbers as JSON has them."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])
