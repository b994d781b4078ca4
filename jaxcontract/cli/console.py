"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

import math
import os
import sys
import time
from collections.abc import Iterable
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from jaxcontract.cli.text_tables import round_down, wrap_text

PLAIN_WIDTH = 100  # columns where there is no terminal to ask


class Steady(Console):
    """Goes on without words when nobody reads any more, as behind `| head`: the results are still wanted.

    Text is printed as it is, brackets and colons of a path included, and a number stays beside its unit.
    """

    def __init__(self, **keywords: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **keywords)

    def print(self, *objects: Any, soft_wrap: bool | None = None, **keywords: Any) -> None:
        """As rich does, but for where lines of text are broken."""
        if not soft_wrap:
            objects = tuple(wrap_text(one, self.width) if isinstance(one, str) else one for one in objects)
        super().print(*objects, soft_wrap=soft_wrap, **keywords)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is left in buffers goes there too
        os.close(nowhere)


def make_console(**keywords: Any) -> Console:
    """A console that writes plain, uncoloured lines of a fixed width into files and pipes."""
    console = Steady(**keywords)
    if not console.is_terminal:
        console = Steady(**{"width": PLAIN_WIDTH, **keywords})
    return console


class FittedBar(Progress):
    """A bar as wide as the terminal, and below it words, none of which is cut off on a narrow one.

    before, after: columns on either side of the bar
    """

    def __init__(
        self, console: Console, before: Iterable[ProgressColumn], after: Iterable[ProgressColumn]
    ) -> None:
        self.words = ""
        super().__init__(*before, BarColumn(None), *after, console=console, expand=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, and the words."""
        yield self.make_tasks_table(self.tasks)
        if self.words:
            yield Text(wrap_text(self.words, self.console.width))


class TrainingProgress:
    """Shows how far a training is, how fast it goes and how good its contracts are."""

    def __init__(self, console: Console, num_updates: int) -> None:
        self.console = console
        self.num_updates = num_updates
        self.began: tuple[float, int] | None = None  # when, and how far, the first report was
        done = TextColumn("update {task.completed:>5}/{task.total}")
        left = TimeRemainingColumn(compact=True)
        self.bar = FittedBar(console, [done], [left]) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task("", total=self.num_updates)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, done: int, steps_per_second: float, feasible: float, regret: float) -> None:
        """Report after `done` updates; feasible and regret are means over the seeds, NaN where there is none.

        What is not known yet, as the speed before the first update, is a dash.
        """
        speed = f"{steps_per_second:,.0f}" if steps_per_second > 0 else "-"
        share = round_down(feasible, 4) if math.isfinite(feasible) else "-"
        loss = f"{regret:.4f}" if math.isfinite(regret) else "-"
        if self.bar is not None:
            self.bar.words = f"{speed} steps/s   feasible {share}   regret {loss}"
            self.bar.update(self.task, completed=done, refresh=True)
            return
        text = f"{speed:>9} steps/s   feasible {share:>6}   regret {loss:>8}"
        self.console.print(f"update {done:>5}/{self.num_updates}   {text}   {self._left(done):>4} s left")

    def _left(self, done: int) -> str:
        """Seconds, as those since the first report tell; a dash where that is the only one."""
        now = time.monotonic()
        when, before = self.began = self.began or (now, done)
        if done >= self.num_updates:
            return "0"
        return f"{(now - when) * (self.num_updates - done) / (done - before):.0f}" if done > before else "-"
