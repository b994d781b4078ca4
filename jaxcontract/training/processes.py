"""Several processes that work on one training: which this is, and how they hear of each other.

JAX is imported by those that are several, not by one that is alone.
"""

import dataclasses
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from jaxcontract.core.fields import first_line
from jaxcontract.training.devices import require_device
from jaxcontract.training.worker import GONE

T = TypeVar("T")

SILENCE = 10  # seconds without a heartbeat after which a process is taken for dead
FAREWELL = 8.0  # seconds for an orderly end, fewer than the runtime waits for
FIRST = 1024  # bytes that go at once; what is longer takes a second turn
RETRY = 0.1  # seconds between attempts to reach process 0


class UnreachableError(Exception):
    """The processes cannot meet; the message is one line that says why."""


@dataclasses.dataclass(frozen=True)
class Processes:
    """Which of how many processes this is. All call the same of its functions, in the same order.

    When another process is gone, a function does not return: the program ends with exit code 75.

    >>> ALONE.gather(b"all there is"), ALONE.agree(7), ALONE.largest(0)
    ([b'all there is'], 7, 0)
    """

    count: int = 1
    index: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is process 0, which alone reads, writes and prints."""
        return self.index == 0

    def gather(self, payload: bytes) -> list[bytes]:
        """What each process gives, in their order. Bytes, for numbers would be cut to 32 bits."""
        if self.count == 1:
            return [payload]
        try:
            return _gathered(payload)
        except (ValueError, RuntimeError):  # "Connection closed by peer", and the like
            leave()

    def tell(self, payload: bytes) -> bytes:
        """What process 0 gives; what the others give is of no matter."""
        return self.gather(payload if self.leads else b"")[0]

    def agree(self, number: int) -> int:
        """The number that process 0 gives."""
        return int(self.tell(str(number).encode()))

    def largest(self, number: int) -> int:
        """The largest of the numbers that they give: of flags, whether any is set."""
        return max(int(one) for one in self.gather(str(number).encode()))

    def share(self, things: Sequence[T]) -> list[T]:
        """Those of some things that are this process's: a contiguous part."""
        first, end = (part * len(things) // self.count for part in (self.index, self.index + 1))
        return list(things[first:end])

    def part(self, code: int) -> None:
        """End the connection in order, or the program with this exit code if that takes too long."""
        if self.count == 1:
            return
        import jax

        with_limit(FAREWELL, lambda: leave(code), jax.distributed.shutdown)


ALONE = Processes()


def connect(
    coordinator: str, count: int, index: int, start_timeout: float, give_up: Callable[[str], NoReturn]
) -> Processes:
    """Meet the other processes at an address of process 0, which listens there and nowhere else.

    give_up: is told in one line, in another thread, that they have not come in time

    Raises:
        UnreachableError: when the port is taken, or process 0 does not answer in time.
    """
    began = time.monotonic()
    if index == 0:
        check_free(coordinator)
        missing = f"not all {count} processes came to {coordinator} within {start_timeout:g} s"
    else:
        wait_for(coordinator, start_timeout)
        missing = (
            f"not all {count} processes came to {coordinator}, or it is not process 0 that answers there"
        )
    left = max(1.0, start_timeout - (time.monotonic() - began))
    where: dict[str, Any] = {"coordinator_address": coordinator, "num_processes": count, "process_id": index}
    return _initialized(
        left,
        lambda: give_up(missing),
        **where,
        coordinator_bind_address=coordinator,
        cluster_detection_method="deactivate",
    )


def connect_in_cluster(start_timeout: float, give_up: Callable[[str], NoReturn]) -> Processes:
    """Meet the other processes where JAX finds that a cluster says they meet; otherwise as `connect`."""
    missing = f"not all processes of this job have come within {start_timeout:g} s"
    return _initialized(start_timeout, lambda: give_up(missing))


def check_free(coordinator: str) -> None:
    """See to it that process 0 can listen where the others will look for it. Raises UnreachableError."""
    host, port = _split(coordinator)
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen()
    except OSError as error:
        if isinstance(error, socket.gaierror):
            raise UnreachableError(f"{coordinator}: there is no such host ({error.strerror})") from None
        raise UnreachableError(
            f"{coordinator}: port {port} is taken or not ours ({error.strerror})"
        ) from None


def wait_for(coordinator: str, start_timeout: float) -> None:
    """Return when something listens at an address. Raises UnreachableError."""
    deadline = time.monotonic() + start_timeout
    while True:
        try:
            socket.create_connection(_split(coordinator), timeout=start_timeout).close()
            return
        except OSError as error:
            if time.monotonic() + RETRY > deadline:
                raise UnreachableError(
                    f"process 0 does not answer at {coordinator}, for {start_timeout:g} s "
                    f"({error.strerror or error})"
                ) from None
            time.sleep(RETRY)


def with_limit(limit: float, late: Callable[[], Any], work: Callable[[], T]) -> T:
    """Do some work; if it takes longer than so many seconds, do something else beside it."""
    timer = threading.Timer(min(limit, threading.TIMEOUT_MAX), late)
    timer.daemon = True
    timer.start()
    try:
        return work()
    finally:
        timer.cancel()


def leave(code: int = GONE) -> NoReturn:
    """End the program where it is: an orderly end would wait for a process that is gone."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _initialized(limit: float, late: Callable[[], Any], **where: Any) -> Processes:
    import jax

    jax.config.update("jax_check_proxy_envs", False)  # a warning; who does not come is told anyway

    def meet() -> Processes:
        try:
            jax.distributed.initialize(
                **where,
                initialization_timeout=int(min(limit, 10**6)) + 30,  # we are faster, and more polite
                heartbeat_timeout_seconds=SILENCE,
                shutdown_timeout_seconds=SILENCE,
            )
        except (ValueError, RuntimeError) as error:
            raise UnreachableError(f"JAX cannot join the processes ({first_line(error)})") from None
        require_device()  # where the devices of all are made known to all
        return Processes(jax.process_count(), jax.process_index())

    return with_limit(limit, late, meet)


def _gathered(payload: bytes) -> list[bytes]:
    """The first bytes and the length of every payload, and then the rest of all, if there is a rest."""
    head = struct.Struct("<q")
    room = FIRST - head.size
    firsts = _exchange(head.pack(len(payload)) + payload[:room], FIRST)
    lengths = [head.unpack_from(first)[0] for first in firsts]
    begun = [first[head.size :][:length] for first, length in zip(firsts, lengths, strict=True)]
    longest = max(lengths) - room
    if longest <= 0:
        return begun
    size = 1 << (longest - 1).bit_length()  # few sizes, for each is a program to compile
    rests = _exchange(payload[room:], size)
    return [
        first + rest[: max(0, length - room)]
        for first, rest, length in zip(begun, rests, lengths, strict=True)
    ]


def _exchange(payload: bytes, size: int) -> list[bytes]:
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    padded = np.frombuffer(payload.ljust(size, b"\0"), np.uint8)
    return [row.tobytes() for row in process_allgather(padded)]


def _split(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    return host.strip("[]"), int(port)
