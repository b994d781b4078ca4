"""How far the reproduction is and how long it will take: a bar on a terminal, plain lines elsewhere."""

import time
from typing import Self

from rich.console import Console
from rich.progress import TextColumn

from jaxcontract.cli.console import FittedBar

QUIET = 10.0  # seconds between two plain lines


class Progress:
    """Counts work, in any unit, and estimates the time left from what the work so far has taken."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.total = 1e-9
        self.done = 0.0
        self.study = ""
        self.began = time.monotonic()
        self.spoke = -QUIET
        share = TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}")
        self.bar = FittedBar(console, [], [share]) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task("", total=self.total, left="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def expect(self, total: float) -> None:
        """How much work there is."""
        self.total = max(total, 1e-9)
        if self.bar is not None:
            self.bar.update(self.task, total=self.total)

    def begin(self, study: str) -> None:
        """Say which study is under way."""
        self.study = study
        self.spoke = -QUIET
        self._show(self.done, "")

    def say(self, what: str) -> None:
        """Say what goes on within the study."""
        self._show(self.done, what)

    def within(self, part: float) -> None:
        """Show that `part` of the work now under way is done."""
        self._show(self.done + part, "")

    def advance(self, work: float) -> None:
        """Count work as done."""
        self.done += work
        self._show(self.done, "")

    def left(self, done: float) -> str:
        """The time left, in words; empty where there is nothing to judge by."""
        passed = time.monotonic() - self.began
        if done < 0.005 * self.total or done >= self.total:
            return ""
        seconds = passed * max(self.total - done, 0.0) / done
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"

    def _show(self, done: float, what: str) -> None:
        text = f"{self.study}: {what}" if what else self.study
        if self.bar is not None:
            self.bar.words = text
            self.bar.update(self.task, completed=done, left=self.left(done))
            return
        now = time.monotonic()
        if now - self.spoke >= QUIET:
            self.spoke = now
            share = min(1.0, done / self.total)
            self.console.print(f"{now - self.began:5.0f} s  {share:4.0%}  {text}  {self.left(done)}".rstrip())
