"""Process 0 runs a training, and the others do what it says, each with its own share of the seeds.

Process 0 alone decides: what to do next, how many updates to make, when to stop, with which exit code to
end. The others wait for its word, and do the same of what `spread.py` has. So no two of them can ever take
different paths, whatever process 0 finds on its disk.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.training.processes import ALONE, Processes
from jaxcontract.training.seeds import SeedMetrics, Training
from jaxcontract.training.signals import Interruption
from jaxcontract.training.spread import pack, spread, unpack

Evaluate = Callable[[int, NetworkPolicy], Any]  # the position of a seed, its policy → its report


class Leader:
    """What process 0 says to the others; a process that is alone says nothing."""

    def __init__(self, processes: Processes = ALONE) -> None:
        self.processes = processes

    def say(self, what: str, **more: Any) -> None:
        """Let the others know what comes next."""
        if self.processes.count > 1:
            self.processes.tell(json.dumps({"do": what, **more}).encode())

    def lead(self, own: Training, interruption: Interruption) -> Training:
        """The training of all seeds, of which `own` has this process's share.

        A signal that another process has noted is noted here, after the chunk in which it came.
        """
        if self.processes.count == 1:
            return own
        whole, processes = spread(own, self.processes), self.processes

        def start() -> Any:
            self.say("start")
            return whole.start()

        def advance(learners: Any, count: int) -> tuple[Any, SeedMetrics]:
            self.say("advance", count=count)
            made = whole.advance(learners, count)
            noted = processes.largest(interruption.requested or 0)
            if noted and not interruption.requested:
                interruption.note(noted)
            return made

        def together(learners: list[Any]) -> Any:
            self.say("together")
            processes.tell(pack([to_arrays(one) for one in learners]))
            return whole.together(learners)

        def announced(name: str) -> Callable[[Any], Any]:
            def call(learners: Any) -> Any:
                self.say(name)
                return getattr(whole, name)(learners)

            return call

        return dataclasses.replace(
            whole,
            start=start,
            advance=advance,
            together=together,
            policies=announced("policies"),
            divergences=announced("divergences"),
            apart=announced("apart"),
        )

    def measure(self, kind: str, evaluate: Evaluate, policies: Sequence[NetworkPolicy]) -> list[Any]:
        """The report of each policy, of which each process makes those of its share.

        kind: by which the others know what to measure; policies: the last that the training gave
        """
        self.say("measure", kind=kind)
        return shared_reports(self.processes, evaluate, policies)


def follow(
    own: Training,
    as_seen: Training,
    processes: Processes,
    measures: Mapping[str, Evaluate],
    interruption: Interruption,
) -> int | None:
    """Do what process 0 says, to the end: the exit code; None where only this training ends.

    as_seen: `spread` of own, or of what has the same learners and other policies
    """
    learners: Any = None
    policies: list[NetworkPolicy] = []
    while True:
        order = json.loads(processes.tell(b""))
        match order["do"]:
            case "leave":
                return int(order["code"])
            case "end":
                return None
            case "start":
                learners = as_seen.start()
            case "advance":
                interruption.hold()
                learners, _ = as_seen.advance(learners, order["count"])
                processes.largest(interruption.requested or 0)
            case "together":
                like = own.apart(own.start())[0]
                rows = unpack(processes.tell(b""))
                learners = as_seen.together([from_arrays(like, arrays) for arrays in rows])
            case "policies":
                policies = as_seen.policies(learners)
            case "measure":
                shared_reports(processes, measures[order["kind"]], policies)
            case name:
                getattr(as_seen, name)(learners)


def shared_reports(processes: Processes, evaluate: Evaluate, policies: Sequence[NetworkPolicy]) -> list[Any]:
    """The report of each policy: every process makes its share, and all have all of them.

    Where a game's reports have more than numbers in them, every process makes all.
    """
    placed = list(enumerate(policies))
    if processes.count == 1:
        return [evaluate(*one) for one in placed]
    own = [evaluate(*one) for one in processes.share(placed)]
    kind = type(own[0])
    parts = processes.gather(pack([_numbers(one) for one in own]) if all(map(_travels, own)) else b"")
    if not all(parts):
        return [evaluate(*one) for one in placed]
    return [_rebuilt(kind, numbers) for part in parts for numbers in unpack(part)]


def _numbers(report: Any) -> dict[str, np.ndarray]:
    return {field.name: np.asarray(getattr(report, field.name)) for field in dataclasses.fields(report)}


def _travels(report: Any) -> bool:
    """Whether a report is a record of numbers alone."""
    return dataclasses.is_dataclass(report) and all(
        array.dtype.kind in "biuf" for array in _numbers(report).values()
    )


def _rebuilt(kind: type, numbers: Mapping[str, np.ndarray]) -> Any:
    """A record of its numbers; they have been checked where it was made."""
    report: Any = object.__new__(kind)
    for name, array in numbers.items():
        object.__setattr__(report, name, array if array.ndim else array.item())
    return report
