"""Learning curves of many seeds: put together from their waves, and as quantiles."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.train.waves.members import Point
from jaxcontract.cli.train.waves.wave import Wave
from jaxcontract.storage.metrics import MEASURES, METRICS, OWN

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class Curves(NamedTuple):
    """The curves of one setting's seeds at P points.

    updates, env_steps, optimum: [P]; values: by measure, [S, P], NaN where there is none
    """

    updates: list[int]
    env_steps: list[int]
    optimum: list[float]
    values: dict[str, np.ndarray]

    def lines(self) -> Iterator[dict[str, Any]]:
        """One for each point, as `metrics.jsonl` of a training has them."""
        for number, (update, env_steps, optimum) in enumerate(
            zip(self.updates, self.env_steps, self.optimum, strict=True)
        ):
            columns = {name: values[:, number] for name, values in self.values.items()}
            yield {"update": update, "env_steps": env_steps, "optimum": optimum, **columns}


def read_curves(points: Sequence[Point], waves: Sequence[Wave]) -> dict[str, Curves]:
    """The curves of each setting, from the files of its waves. Raises OSError."""
    found: dict[str, list[tuple[list[dict[str, Any]], list[int]]]] = {point.name: [] for point in points}
    for wave in waves:
        lines = (wave.folder / METRICS).read_text("utf-8").splitlines()
        told = [json.loads(line) for line in lines]
        for name, parts in found.items():
            places = [place for place, member in enumerate(wave.members) if member.point.name == name]
            if places:
                parts.append((told, places))
    return {name: _join(parts) for name, parts in found.items()}


def _join(parts: Sequence[tuple[list[dict[str, Any]], list[int]]]) -> Curves:
    if not parts:
        return Curves([], [], [], {})
    first, places = parts[0]
    names = [name for name in (*MEASURES, *OWN) if name in first[0]]

    def column(name: str) -> np.ndarray:
        rows = [[[line[name][place] for line in told] for place in own] for told, own in parts]
        return np.concatenate([np.array(own, float) for own in rows])

    return Curves(
        [line["update"] for line in first],
        [line["env_steps"] for line in first],
        [_at(line["optimum"], places[0]) for line in first],
        {name: column(name) for name in names},
    )


def _at(optimum: Any, place: int) -> float:
    """The optimum of a member: one for a whole wave of one setting."""
    found: float = optimum[place] if isinstance(optimum, list) else optimum
    return found


def curve_rows(values: Mapping[str, str], curves: Curves) -> Iterator[dict[str, Any]]:
    """Tidy rows: the setting, the point, the measure, and its quantiles over the seeds."""
    for name, measured in curves.values.items():
        levels = quantiles(measured)
        for number, (update, env_steps) in enumerate(zip(curves.updates, curves.env_steps, strict=True)):
            found = {f"q{100 * q:02.0f}": float(row[number]) for q, row in zip(LEVELS, levels, strict=True)}
            yield {**values, "update": update, "env_steps": env_steps, "measure": name, **found}


def quantiles(values: np.ndarray) -> np.ndarray:
    """[S, P] → [5, P], the `LEVELS` of those seeds that have a finite value; NaN where none has."""
    found = np.full((len(LEVELS), values.shape[1]), np.nan)
    for place, column in enumerate(values.T):
        finite = column[np.isfinite(column)]
        if finite.size:
            found[:, place] = np.quantile(finite, LEVELS)
    return found
