"""The options that make a process one of several. No JAX."""

import argparse
from typing import Any, NamedTuple

from jaxcontract.cli.options import OneLineParser, count, seconds

GROUP = "several processes"
NAMES = frozenset({"coordinator", "processes", "process_id", "cluster", "start_timeout"})
START_TIMEOUT = 60.0


class Joining(NamedTuple):
    """Which of how many processes this is to be, and where they meet.

    cluster: whether all of that is for the cluster to say
    """

    coordinator: str = ""
    processes: int = 1
    process_id: int = 0
    cluster: bool = False
    start_timeout: float = START_TIMEOUT

    @property
    def words(self) -> list[str]:
        """The options that say so."""
        timeout = ["--start-timeout", f"{self.start_timeout:g}"] * (self.start_timeout != START_TIMEOUT)
        if self.cluster:
            return ["--cluster", *timeout]
        pairs = {
            "--coordinator": self.coordinator,
            "--processes": str(self.processes),
            "--process-id": str(self.process_id),
        }
        return [word for pair in pairs.items() for word in pair] + timeout

    @property
    def name(self) -> str:
        """The process, for a person."""
        return "this process" if self.cluster else f"process {self.process_id} of {self.processes}"


def add_process_options(parser: OneLineParser) -> None:
    """Add the options of a process that is one of several."""
    add = parser.add_argument_group(GROUP).add_argument
    add(
        "--coordinator",
        type=address,
        metavar="HOST:PORT",
        help="where the processes of this training meet: an address of process 0, in a private network, for "
        "whoever reaches it can join",
    )
    add("--processes", type=count, metavar="N", help="how many they are; each trains its share of the seeds")
    add(
        "--process-id",
        type=whole,
        metavar="I",
        help="which of them this is, in [0, N); process 0 alone reads, writes and prints",
    )
    add(
        "--cluster",
        action="store_true",
        help="instead of these three: Slurm's srun, Open MPI's mpirun or Kubernetes says them",
    )
    add(
        "--start-timeout",
        type=seconds,
        default=START_TIMEOUT,
        metavar="SECONDS",
        help=f"how long to wait for the others to come (default {START_TIMEOUT:g})",
    )


def read_joining(parsed: Any) -> Joining | None:
    """Which process this is to be; None where it is the only one. Raises ValueError."""
    given = {
        "--coordinator": parsed.coordinator,
        "--processes": parsed.processes,
        "--process-id": parsed.process_id,
    }
    missing = [option for option, value in given.items() if value is None]
    if parsed.cluster:
        if len(missing) < len(given):
            one = next(option for option in given if option not in missing)
            raise ValueError(f"{one}: --cluster finds it; leave one of them out")
        return Joining(cluster=True, start_timeout=parsed.start_timeout)
    if len(missing) == len(given):
        return None
    if missing:
        raise ValueError(f"{missing[0]}: {', '.join(given)} go together, and it is not given")
    if parsed.process_id >= parsed.processes:
        raise ValueError(
            f"--process-id {parsed.process_id}: must be a whole number in [0, {parsed.processes}), below "
            "--processes"
        )
    if parsed.processes == 1:
        return None
    return Joining(
        parsed.coordinator, parsed.processes, parsed.process_id, start_timeout=parsed.start_timeout
    )


def address(text: str) -> str:
    """An option's value as the address of a process."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} must be HOST:PORT, with a port in [1, 65535]")
    return text


def whole(text: str) -> int:
    """An option's value as a number that may be 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number in [0, inf)")
    return int(text)
