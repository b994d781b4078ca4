"""One child of a parent that watches over it. No JAX."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcontract.training.signals import SIGNALS
from jaxcontract.training.worker import GONE, WORKER

ABORTED = -signal.SIGABRT  # how the runtime ends a process whose peer is gone
FAULTS = [-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)]


class Child:
    """A process, what it has told, and how it has ended.

    name:    for a person
    told:    the last of each kind of news, "words" and "line"
    code:    its exit code, negative for a signal; None while it runs
    stopped: whether it was ended by its parent
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        call: str,
        launched: bool = False,
        cores: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.told: dict[str, Any] = {}
        self.stopped = False
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (it is the child's as well)
        self._channel, theirs = socket.socketpair()
        place = {
            "channel": theirs.fileno(),
            "messages": self._messages.fileno(),
            "call": call,
            "launched": launched,
            "cores": list(cores),
        }
        # It hears of signals from us alone: a terminal, or a scheduler, tells every process.
        earlier = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                env={**(environment or os.environ), WORKER: json.dumps(place)},
                pass_fds=(theirs.fileno(), self._messages.fileno()),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
        theirs.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        return self._process.poll()

    @property
    def is_lost(self) -> bool:
        """Whether it ended without a word of its own: of a signal, or because another process is gone."""
        return not self.stopped and self.code is not None and (self.code < 0 or self.code == GONE)

    @property
    def words(self) -> str:
        """How a person can go on, as far as it knew."""
        return str(self.told.get("words", ""))

    def pass_on(self, number: int) -> None:
        """Let it hear of a signal."""
        with contextlib.suppress(OSError):
            self._channel.send(bytes([number]))

    def stop(self) -> None:
        """End it at once."""
        if self.code is None:
            self.stopped = True
            self._process.kill()
            self._process.wait()

    def hear_out(self) -> None:
        """Hear the rest of what it has told, when it has ended."""
        self._reader.join(1.0)

    def close(self) -> None:
        """Let go of what was open for it."""
        self._channel.close()
        self._messages.close()

    def describe_end(self) -> str:
        """What became of it, for a person."""
        code = self.code or 0
        if code in (ABORTED, GONE):
            return f"another process of this training is gone, and {self.name} ends with it"
        what = f"{self.name} was ended by {signal.Signals(-code).name}"
        last = self._last_message() if code in FAULTS else ""
        return f"{what} ({last})" if last else what

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._channel.makefile("rb") as lines:
            for line in lines:
                self.told.update(json.loads(line))

    def _last_message(self) -> str:
        """The last line that libraries wrote past Python."""
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
