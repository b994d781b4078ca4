"""A wave in a process that is not process 0: its share of the members, trained and measured as it is told."""

from collections.abc import Sequence
from typing import Any

from jaxcontract.cli.train.request import request_told
from jaxcontract.cli.train.training import keep_programs
from jaxcontract.cli.train.waves.members import Member, Point
from jaxcontract.cli.train.waves.programs import (
    Shape,
    Share,
    compile_share,
    in_their_units,
    shape_of,
    train_together,
)
from jaxcontract.cli.train.waves.wave import Judge, measures_of
from jaxcontract.training.processes import Processes
from jaxcontract.training.seeds import Program
from jaxcontract.training.signals import Interruption
from jaxcontract.training.spread import spread
from jaxcontract.training.team import follow


class Follower:
    """What a process keeps from wave to wave: the program, and what policies are measured against."""

    def __init__(self, parsed: Any, processes: Processes, interruption: Interruption) -> None:
        self.parsed, self.processes, self.interruption = parsed, processes, interruption
        self.judges: dict[str, Judge] = {}
        self.compiled: tuple[Shape, Program] | None = None

    def follow(self, settings: Sequence[dict[str, Any]], listed: Sequence[tuple[int, int]]) -> int | None:
        """Do what process 0 says of a wave: the exit code if the run ends there.

        settings: the values and the configuration of each point; listed: of each member the point, the seed
        """
        points = [Point(request_told(self.parsed, one["run"]), one["values"]) for one in settings]
        for point in points:
            self.judges.setdefault(point.name, Judge(point))
        members = [Member(number, points[at], seed) for number, (at, seed) in enumerate(listed)]
        own = self.processes.share(members)
        training = train_together(self._program(own), own)
        as_seen = in_their_units(members, spread(training, self.processes))
        measures = measures_of(members, self.judges)
        return follow(training, as_seen, self.processes, measures, self.interruption)

    def _program(self, members: list[Member]) -> Program:
        request, shape = members[0].point.request, shape_of(members[0].point)
        if self.compiled is None or self.compiled[0] != shape:
            if request.compilation_cache and request.compilation_cache.is_dir():
                keep_programs(request.compilation_cache)
            self.compiled = shape, compile_share(Share(shape, members), len(members))
        return self.compiled[1]
