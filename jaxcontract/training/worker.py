"""A process whose parent is ours as well, seen from the child: what it is told, and what it tells. No JAX.

The runtime that joins several processes ends a program by itself when another process is gone, with many
words of its own. So the program runs as a child. Its parent passes signals on to it through a channel, hears
from it what a person should know, and has the last word; when the parent is gone, the child ends.
"""

import contextlib
import functools
import io
import json
import os
import sys
from typing import Any, NamedTuple

WORKER = "JAXCONTRACT_WORKER"  # set by the parent alone
GONE = 75  # exit code: another process is gone or does not come; the same command may succeed


class Worker(NamedTuple):
    """This process, as its parent has set it up.

    channel:  a socket; what comes in are numbers of signals, what goes out are lines of JSON
    messages: a file for what libraries write past Python
    call:     starts the whole job again
    launched: whether the parent has started all processes of the job, and speaks for all of them
    cores:    those that this process is to run on; none: as it is
    """

    channel: int
    messages: int
    call: str
    launched: bool = False
    cores: tuple[int, ...] = ()

    def tell(self, **news: Any) -> None:
        """Let the parent know: `words` to say if the worst comes, or the `line` to end with."""
        with contextlib.suppress(OSError):  # it is gone, and so is this process in a moment
            os.write(self.channel, json.dumps(news).encode() + b"\n")


@functools.cache
def find_worker() -> Worker | None:
    """What this process is to its parent; None where that is none of ours. Settles in at the first call."""
    told = os.environ.pop(WORKER, None)  # not for processes that this one starts
    if told is None:
        return None
    worker = Worker(**json.loads(told))
    os.set_inheritable(worker.channel, False)
    if worker.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, worker.cores)
    sys.stdout = _moved(sys.stdout, 1, worker.messages)
    sys.stderr = _moved(sys.stderr, 2, worker.messages)
    return worker


def _moved(stream: Any, descriptor: int, messages: int) -> Any:
    """A stream of Python that goes where it went, while its old descriptor goes into the messages."""
    kept = os.dup(descriptor)
    os.dup2(messages, descriptor)
    binary = io.FileIO(kept, "w")
    lines = descriptor == 2 or os.isatty(kept) or bool(os.environ.get("PYTHONUNBUFFERED"))
    return io.TextIOWrapper(
        io.BufferedWriter(binary), stream.encoding, stream.errors, line_buffering=lines, write_through=False
    )
