"""What a large run is made of: settings, and of each the same seeds. No JAX."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxcontract.cli.train.request import Request

AT_A_TIME = 64  # seeds, unless a person or an accelerator's memory says otherwise


class Point(NamedTuple):
    """One setting of a run: what it is asked for, and the options that are varied, as they were written."""

    request: Request
    values: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """Of its directory, and to a person; empty where nothing is varied."""
        return ",".join(f"{option}={value}" for option, value in self.values.items())


class Member(NamedTuple):
    """One seed at one setting; `number` counts them through the whole run."""

    number: int
    point: Point
    seed: int

    @property
    def name(self) -> str:
        """To a person."""
        return f"seed {self.seed}" + (f" of {self.point.name}" if self.point.values else "")


def list_members(points: Sequence[Point]) -> list[Member]:
    """Every seed of every setting, setting by setting."""
    pairs = [(point, seed) for point in points for seed in point.request.seeds]
    return [Member(number, *pair) for number, pair in enumerate(pairs)]


def is_large(request: Request) -> bool:
    """Whether a run has more seeds than are trained at a time."""
    return len(request.seeds) > (request.wave or AT_A_TIME)


def configuration_of(points: Sequence[Point], grid: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """All that makes a run, for `config.json`: that of a training, or those of all settings of a sweep."""
    configurations = [point.request.configuration for point in points]
    if not grid:
        return configurations[0]
    return {"grid": {name: list(values) for name, values in grid.items()}, "settings": configurations}
