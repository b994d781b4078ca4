"""The parent of one or several processes of a training: passes signals on, and has the last word. No JAX."""

import signal
import time
from collections.abc import Callable, Sequence

from jaxcontract.cli.processes.child import ABORTED, Child
from jaxcontract.cli.program import Program
from jaxcontract.training.signals import Interruption
from jaxcontract.training.worker import GONE

LOOK = 0.05  # seconds between looks at the children
LOST_GRACE = 2.0  # that the others are given when one is gone
END_GRACE = 20.0  # that they are given when one has come to its end
MOST_SIGNALS = 3  # at which all are ended, whatever they do


class PassingOn(Interruption):
    """Signals go to the first child, which speaks for all; a third one ends them all."""

    def __init__(self, children: Sequence[Child]) -> None:
        super().__init__()
        self.children, self.count = children, 0

    def note(self, number: int) -> None:
        """Pass a signal on."""
        self.requested = self.requested or signal.Signals(number)
        self.count += 1
        if self.count < MOST_SIGNALS:
            self.children[0].pass_on(number)
            return
        for child in self.children:
            child.stop()


def supervise(start: Callable[[], Sequence[Child]], program: Program) -> int:
    """Start children, wait until all have ended, and say in one line what they could not: the exit code.

    The first of them speaks for all. When one is gone, the others are ended within seconds.
    """
    children = start()
    try:
        with PassingOn(children) as passing:
            _wait(children)
            _end(children)
        code, line = judge(children, passing)
    finally:
        _end(children)
        for child in children:
            child.close()
    if line:
        program.fail(code, line)
    return code


def judge(children: Sequence[Child], passing: PassingOn) -> tuple[int, str]:
    """The exit code of them all, and the line that none of them has said; "" where nothing is to be said."""
    codes = [0 if child.stopped else child.code or 0 for child in children]
    lost = [child for child in children if child.is_lost]
    said = [code for code, child in zip(codes, children, strict=True) if code and child not in lost]
    if said or not lost or not (codes[0] or children[0].stopped):
        return (said or [0])[0], ""
    if lines := [str(child.told["line"]) for child in children if "line" in child.told]:
        return GONE, lines[0]
    words = next((child.words for child in children if child.words), "the same command begins again")
    if passing.requested:
        return passing.exit_code, f"{passing.told}; {words}"
    first = min(lost, key=lambda child: child.code in (ABORTED, GONE))
    return GONE, f"{first.describe_end()}; {words}"


def _end(children: Sequence[Child]) -> None:
    """See to it that all have ended, and have told what they had to tell."""
    for child in children:
        child.stop()
        child.hear_out()


def _wait(children: Sequence[Child]) -> None:
    """Return when all have ended, or when those that have not had their time."""
    deadline = None
    while any(child.code is None for child in children):
        ended = [child for child in children if child.code is not None]
        if ended:
            grace = LOST_GRACE if any(child.is_lost for child in ended) else END_GRACE
            now = time.monotonic()
            deadline = min(deadline or now + grace, now + grace)
            if now >= deadline:
                return
        time.sleep(LOOK)
