"""The learning curve of a run, read back from its `metrics.jsonl`. No JAX."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

METRICS = "metrics.jsonl"
MEASURES = ("reward", "feasible", "regret")
OWN = ("exploitability", "share_of_bound")  # of some games


class Metrics(NamedTuple):
    """What a run's test on fixed states gave as it learned.

    env_steps: [P]     rounds played by each seed, ascending
    optimum:   [P]     mean U_B* over the states; the equilibrium's payoff, or the upper bound, of other games
    reward:    [S, P]  mean of (13); of a station's utility, or an episode's value
    feasible:  [S, P]  share of states with a feasible contract
    regret:    [S, P]  mean U_B* − U_B over those; NaN where there is none
    exploitability: [S, P]  as a share of the equilibrium payoff; NaN where the game has none
    share_of_bound: [S, P]  value/upper bound; likewise
    """

    env_steps: np.ndarray
    optimum: np.ndarray
    reward: np.ndarray
    feasible: np.ndarray
    regret: np.ndarray
    exploitability: np.ndarray
    share_of_bound: np.ndarray


def read_metrics(directory: Path) -> Metrics:
    """Read the curve of a run.

    Raises:
        ValueError: one line naming the file, the line and what is wrong with it.
    """
    path = directory / METRICS
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        if (directory / "settings").is_dir():
            raise ValueError(f"{directory}: is a sweep; name its settings, {directory}/settings/*") from None
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"{path}: cannot be read ({why})") from None
    points: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            points.append(_point(line, points))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not points:
        raise ValueError(f"{path}: has no line")
    missing = [None] * len(points[0]["reward"])
    columns = {
        name: np.array([point.get(name, missing) for point in points], float).T for name in Metrics._fields
    }
    return Metrics(**columns)


def _point(line: str, before: list[dict[str, Any]]) -> dict[str, Any]:
    """One line as a point that goes with those before it. Raises ValueError."""
    try:
        point = json.loads(line)
    except ValueError:
        raise ValueError("is not JSON") from None
    if not isinstance(point, dict):
        raise ValueError("must be an object of named values")
    if not isinstance(point.get("env_steps"), int):
        raise ValueError("env_steps must be a whole number")
    if not _is_number(point.get("optimum")):
        raise ValueError("optimum must be a number")
    if before and point["env_steps"] <= before[-1]["env_steps"]:
        raise ValueError(f"env_steps is {point['env_steps']}, after {before[-1]['env_steps']}")
    num_seeds = len(before[0]["reward"]) if before else None
    for name in (*MEASURES, *(name for name in OWN if name in point)):
        values: Any = point.get(name)
        listed = isinstance(values, list) and values
        if not listed or not all(value is None or _is_number(value) for value in values):
            raise ValueError(f"{name} must be a list of numbers, one for each seed")
        num_seeds = num_seeds or len(values)
        if len(values) != num_seeds:
            raise ValueError(f"{name} is of {len(values)} seeds, where there are {num_seeds}")
    return point


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
