"""What a person sees while waves go by: a bar on a terminal, a line for each wave elsewhere."""

import time
from typing import Any, Self

import numpy as np
from rich.console import Console
from rich.progress import TextColumn, TimeRemainingColumn

from jaxcontract.cli.console import FittedBar
from jaxcontract.cli.text_tables import round_down
from jaxcontract.cli.train.waves.wave import Ended, Wave
from jaxcontract.training.learning_curve import Point


class WavesProgress:
    """Shows how many members have ended, how fast it goes, and how good the contracts of each wave are."""

    def __init__(self, console: Console, num_members: int) -> None:
        self.console, self.num_members = console, num_members
        self.done = self.trained = 0  # members, and those of this process
        self.began = time.monotonic()
        columns = (
            [TextColumn("{task.completed:>6.1f}/{task.total} seeds")],
            [TimeRemainingColumn(compact=True)],
        )
        self.bar = FittedBar(console, *columns) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task("", total=self.num_members)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, soft_wrap=True, markup=False)

    def show_point(self, point: Point, num_updates: int) -> None:
        """Report a point within a wave."""
        if self.bar is not None:
            size = len(point.reports)
            done = self.done + size * point.update / num_updates
            self.bar.update(self.task, completed=done, refresh=True)

    def end_wave(self, wave: Wave, ended: Ended, before: bool) -> None:
        """Report a wave that has ended, in this process or before it began."""
        size = len(wave.members)
        self.done += size
        self.trained += 0 if before else size
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, refresh=True)
        if before and self.done < self.num_members:
            return
        speed = size * wave.members[0].point.request.learner.env_steps / max(ended.seconds, 1e-9)
        told = f"{speed:>11,.0f} steps/s" if ended.seconds else " " * 19
        self.say(
            f"{self.done:>7,}/{self.num_members:,} seeds {told}   {_quality(ended)}   {self._left()} s left"
        )

    def _left(self) -> str:
        """Seconds, as the waves so far tell."""
        if not self.trained:
            return "0" if self.done >= self.num_members else "-"
        spent = time.monotonic() - self.began
        return f"{spent * (self.num_members - self.done) / self.trained:.0f}"


def _quality(ended: Ended) -> str:
    """How many contracts are feasible, and the regret of the middle seed and of the worst."""
    feasible, regrets = (_column(ended, name) for name in ("feasible", "regret"))
    share = round_down(float(feasible.mean()), 4) if feasible.size else "-"
    middle, worst = (f"{pick(regrets):.3g}" if regrets.size else "-" for pick in (np.median, np.max))
    return f"feasible {share}   regret {middle} (worst {worst})"


def _column(ended: Ended, name: str) -> Any:
    values = [row.get(name) for row in ended.rows]
    return np.array([value for value in values if value is not None], float)
