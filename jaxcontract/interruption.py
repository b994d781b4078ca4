"""Ctrl-C and SIGTERM, heard between two chunks of work."""

import signal
import sys
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, a first signal is noted; a second one ends the program where it is.

    requested: the signal that was noted, if any

    >>> with Interruption() as interruption:
    ...     while not interruption.requested:
    ...         signal.raise_signal(signal.SIGTERM)  # comes while some work is done
    >>> interruption.exit_code
    143
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None

    def __enter__(self) -> Self:
        self._earlier = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells report it."""
        return 128 + (self.requested or signal.SIGINT)

    @property
    def told(self) -> str:
        """What happened, for a person."""
        return f"interrupted by {(self.requested or signal.SIGINT).name}"

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.requested:
            raise SystemExit(128 + number)
        self.requested = signal.Signals(number)
        print(
            f"\n{self.requested.name}: finishing this chunk, then saving; again to stop at once",
            file=sys.stderr,
        )
