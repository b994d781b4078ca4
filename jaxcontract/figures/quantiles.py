"""Learning curves of many seeds, as quantiles."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.curves import STEPS
from jaxcontract.figures.style import COLOURS, TEXT, log_axis, tidy

BANDS = ((0.05, 0.95, 0.2), (0.25, 0.75, 0.4))  # from, to, opacity


@at_defaults()
def quantile_curves(env_steps: Any, panels: Mapping[str, Any], *, title: str) -> Figure:
    """The median over the seeds as a line, in the bands that hold half and nine tenths of them.

    env_steps: [P]; panels: by the name of its axis, [S, P], NaN where a seed has no value

    An axis is logarithmic where all quantiles are above zero.
    """
    steps = np.asarray(env_steps, float)
    figure = Figure(figsize=(8, 0.6 + 2.9 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=TEXT + 1)
    colour = COLOURS["learned"]
    for axes, (name, values) in zip(grid, panels.items(), strict=True):
        lowest = np.inf
        for low, high, opacity in BANDS:
            below, above = (_quantile(values, level) for level in (low, high))
            axes.fill_between(steps, below, above, color=colour, alpha=opacity, linewidth=0)
            lowest = min(lowest, np.nanmin(below, initial=np.inf))
        axes.plot(steps, _quantile(values, 0.5), color=colour, linewidth=1.8)
        axes.set_ylabel(name)
        axes.set_xlim(0, steps[-1] or 1.0)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        if 0 < lowest < np.inf:
            log_axis(axes, "y")
    grid[-1].set_xlabel(STEPS)
    tidy(*grid)
    keys: list[Artist] = [Line2D([], [], color=colour, linewidth=1.8, label="median seed")]
    words = {0.05: "5 to 95 % of the seeds", 0.25: "25 to 75 %"}
    keys += [Patch(color=colour, alpha=opacity, label=words[low]) for low, _, opacity in BANDS]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=TEXT)
    figure.align_ylabels()
    return figure


def _quantile(values: Any, level: float) -> np.ndarray:
    """Over the seeds that have a value, NaN where none has."""
    values = np.asarray(values, float)
    known = np.isfinite(values).any(axis=0)
    found = np.full(values.shape[1], np.nan)
    found[known] = np.nanquantile(np.where(np.isfinite(values), values, np.nan)[:, known], level, axis=0)
    return found
