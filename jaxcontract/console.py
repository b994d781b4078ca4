"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

import os
import sys
import time
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_WIDTH = 100  # columns where there is no terminal to ask


class Steady(Console):
    """Goes on without words when nobody reads any more, as behind `| head`: the results are still wanted."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is left in buffers goes there too
        os.close(nowhere)


def make_console(**keywords: Any) -> Console:
    """A console that writes plain, uncoloured lines of a fixed width into files and pipes."""
    console = Steady(highlight=False, **keywords)
    if not console.is_terminal:
        console = Steady(highlight=False, width=PLAIN_WIDTH, **keywords)
    return console


class TrainingProgress:
    """Shows how far a training is, how fast it goes and how good its contracts are."""

    def __init__(self, console: Console, num_updates: int) -> None:
        self.console = console
        self.num_updates = num_updates
        self.began: tuple[float, int] | None = None  # when, and how far, the first report was
        columns = (
            TextColumn("update {task.completed:>5}/{task.total}"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
        )
        self.bar = Progress(*columns, console=console) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task("", total=self.num_updates)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, done: int, steps_per_second: float, feasible: float, regret: float) -> None:
        """Report after `done` updates; feasible and regret are means over the seeds."""
        text = f"{steps_per_second:>9,.0f} steps/s   feasible {feasible:.4f}   regret {regret:8.4f}"
        if self.bar is not None:
            self.bar.update(self.task, completed=done, description=text)
            return
        now = time.monotonic()
        when, before = self.began = self.began or (now, done)
        left = (now - when) * (self.num_updates - done) / (done - before) if done > before else 0.0
        self.console.print(f"update {done:>5}/{self.num_updates}   {text}   {left:4.0f} s left")
