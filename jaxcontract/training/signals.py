"""Ctrl-C and SIGTERM: an end at once in one line, or, while there is work to lose, between two chunks of it.

A script begins with `leave_at_once`. Nothing is raised then: an exception that comes in the middle of an
import, a destructor or a callback of a library ends in a traceback, or nowhere. Before that a script blocks
SIGINT by `_signal`, which is there at once; `signal` takes longer to import than Python to start. No JAX.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from jaxcontract.training.worker import GONE, find_worker

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 5.0  # seconds for what must be done before the program ends
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it

Hook = Callable[[], object]


class Listener:
    """Hears of signals in a thread of its own, also while the main one waits for a compiler.

    words: what to say beside the name of the signal
    hooks: what to do before the program ends
    held:  who wants to hear of a signal instead
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.words = ""
        self.hooks: list[Hook] = []
        self.held: list[Interruption] = []

    def start(self, channel: int | None = None) -> None:
        """Listen from now on; called in the main thread.

        channel: where a parent of ours passes signals on; those that come past it stay blocked then
        """
        if channel is not None:
            threading.Thread(target=self._listen, args=(channel,), daemon=True).start()
            return
        heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _nothing)
        threading.Thread(target=self._listen, args=(heard,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # a script blocks them before its imports

    def leave(self, number: int) -> None:
        """Say in one line what happened, and end the program."""
        _within(PATIENCE, self._clear_up)
        start, end = ("\n", SHOW_CURSOR) if sys.stderr.isatty() else ("", "")
        words = f"; {self.words}" if self.words else ""
        line = f"{start}{self.program}: {told(number)}{words}{end}\n"
        with contextlib.suppress(OSError):  # nobody reads any more
            os.write(_standard_error(), line.encode(errors="replace"))
        os._exit(128 + number)

    def _listen(self, heard: int) -> None:
        while numbers := os.read(heard, 64):
            for number in numbers:
                if number in SIGNALS:
                    self._hear(number)
        os._exit(GONE)  # the parent is gone

    def _hear(self, number: int) -> None:
        if self.held:
            self.held[-1].note(number)
        else:
            self.leave(number)

    def _clear_up(self) -> None:
        for work in (*reversed(self.hooks), sys.stdout.flush):
            with contextlib.suppress(Exception):
                work()


_listener: Listener | None = None


def leave_at_once(program: str) -> None:
    """From now on a Ctrl-C or SIGTERM ends the program wherever it is: one line, exit code 130 or 143.

    A script calls it before its imports, and when nobody else may have called it.
    """
    global _listener
    worker = find_worker()
    _listener = Listener(program)
    _listener.start(worker.channel if worker else None)


def say_when_interrupted(words: str) -> None:
    """What a person should know when the program ends from now on, such as how to go on."""
    if _listener:
        _listener.words = words
    if worker := find_worker():
        worker.tell(words=words)


@contextlib.contextmanager
def before_leaving(hook: Hook) -> Iterator[None]:
    """While it is entered, a program that is interrupted does this before it ends, in another thread."""
    hooks = _listener.hooks if _listener else []
    hooks.append(hook)
    try:
        yield
    finally:
        hooks.remove(hook)


class Interruption:
    """While it is entered, a first signal is noted; a second one ends the program where it is.

    holding: whether it begins to note signals when it is entered, or not before `hold`: as long as there
        is nothing to lose, a program should end at once

    requested: the signal that was noted, if any

    >>> with Interruption() as interruption:
    ...     while not interruption.requested:
    ...         signal.raise_signal(signal.SIGTERM)  # comes while some work is done
    >>> interruption.exit_code
    143
    """

    def __init__(self, holding: bool = True) -> None:
        self.requested: signal.Signals | None = None
        self._from_the_start = holding
        self._earlier: dict[signal.Signals, Any] | None = None

    def __enter__(self) -> Self:
        if self._from_the_start:
            self.hold()
        return self

    def hold(self) -> None:
        """Note signals from now on; nothing where that is so already."""
        if self._earlier is not None:
            return
        if _listener:
            self._earlier = {}
            _listener.held.append(self)
        else:
            self._earlier = {number: signal.signal(number, self._handle) for number in SIGNALS}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._earlier is None:
            return
        if _listener and self in _listener.held:
            _listener.held.remove(self)
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier = None

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells report it."""
        return 128 + (self.requested or signal.SIGINT)

    @property
    def told(self) -> str:
        """What happened, for a person."""
        return told(self.requested or signal.SIGINT)

    def note(self, number: int) -> None:
        """Remember a first signal; end the program at a second."""
        if self.requested:
            if _listener:
                _listener.leave(number)
            raise SystemExit(128 + number)
        self.requested = signal.Signals(number)
        print(
            f"\n{self.requested.name}: finishing this chunk, then saving; again to stop at once",
            file=sys.stderr,
        )

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.note(number)


def told(number: int) -> str:
    """What happened, for a person."""
    return f"interrupted by {signal.Signals(number).name}"


def _standard_error() -> int:
    """Where Python's own messages go; past it, those of libraries may go elsewhere."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return 2


def _nothing(number: int, frame: FrameType | None) -> None:
    """In place of Python's own handler, which raises; the listener hears of the signal."""


def _within(limit: float, work: Hook) -> None:
    """Do some work, and wait for it no longer than so many seconds."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit)
