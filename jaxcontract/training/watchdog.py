"""Notices when a device no longer answers, and ends the program rather than wait for ever."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

HUNG = 75  # exit code: nothing is wrong with the input, and the same command may succeed


class Watchdog:
    """Gives every chunk of work a time limit.

    limit:  seconds that any chunk is given, even the first
    factor: how many times longer than the slowest so far, for the same amount of work, is too long
    report: is told once, with the seconds waited and the seconds that were expected (None: unknown)
    leave:  ends the program; a thread that waits for a device cannot be ended otherwise
    """

    def __init__(
        self,
        limit: float,
        report: Callable[[float, float | None], None],
        factor: float = 20.0,
        leave: Callable[[int], Any] = os._exit,
    ) -> None:
        self.limit, self.factor = limit, factor
        self.report, self.leave = report, leave
        self._slowest: float | None = None  # seconds per unit of work

    def run(self, work: Callable[[], Any], units: int) -> Any:
        """Do the work, of so many units, and return what it returns."""
        expected = None if self._slowest is None else self._slowest * units
        allowed = self.limit if expected is None else max(self.limit, self.factor * expected)
        began = time.monotonic()
        timer = threading.Timer(min(allowed, threading.TIMEOUT_MAX), self._expired, (allowed, expected))
        timer.daemon = True
        timer.start()
        try:
            result = work()
        finally:
            timer.cancel()
        pace = (time.monotonic() - began) / units
        self._slowest = pace if self._slowest is None else max(self._slowest, pace)
        return result

    def _expired(self, waited: float, expected: float | None) -> None:
        self.report(waited, expected)
        sys.stdout.flush()
        sys.stderr.flush()
        self.leave(HUNG)
