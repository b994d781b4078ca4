"""The pictures of a large run: quantiles of its learning curves, or what the varied options do."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxcontract.cli.train.waves.curves import Curves
from jaxcontract.cli.train.waves.members import Point

ROWS = 6  # of pictures, one for each setting of the other options
WIDE = 20.0  # ratio of the largest value to the smallest from which on an axis is logarithmic


def draw_curves(curves: Curves, game: str, path: Path) -> None:
    """Reward and regret against the rounds played, as quantiles over the seeds."""
    from jaxcontract.figures import find_words, quantile_curves, save

    words = find_words(curves.values)
    count = len(curves.values["reward"])
    optimum = np.asarray(curves.optimum)
    panels = {
        words.distance_axis: curves.values["reward"] - optimum,
        words.regret_axis: curves.values["regret"],
    }
    save(quantile_curves(curves.env_steps, panels, title=f"{game}; {count:,} seeds"), path)


def draw_sweep(points: Sequence[Point], values: Mapping[str, np.ndarray], measure: str, path: Path) -> None:
    """The measure against the option with the most values, a row for each setting of the others."""
    from jaxcontract.figures import Panel, save, sensitivity

    options = {name: list(dict.fromkeys(point.values[name] for point in points)) for name in points[0].values}
    across = max(options, key=lambda name: len(options[name]))
    others = [name for name in options if name != across]
    rows = list(itertools.product(*(options[name] for name in others)))[:ROWS]
    numbers = [_number(value) for value in options[across]]
    plain = None not in numbers
    panels = []
    for chosen in rows:
        fixed = dict(zip(others, chosen, strict=True))
        own = {
            point.values[across]: values[point.name]
            for point in points
            if all(point.values[name] == value for name, value in fixed.items())
        }
        seeds = np.array([own[value] for value in options[across]])
        panels.append(
            Panel(
                ", ".join(f"{name} = {value}" for name, value in fixed.items()),
                across.replace("_", " "),
                "",
                numbers if plain else list(range(len(numbers))),
                None if plain else options[across],
                None,
                {"learned": seeds},
                measure.replace("_", " "),
                log_x=plain and _is_wide(numbers),
                log_y=bool(np.all(seeds[np.isfinite(seeds)] > 0)),
            )
        )
    save(sensitivity(panels), path)


def _number(text: str) -> float | None:
    """A value as a number, if it is one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_wide(numbers: Sequence[float | None]) -> bool:
    known = [number for number in numbers if number is not None]
    return min(known) > 0 and max(known) / min(known) >= WIDE
