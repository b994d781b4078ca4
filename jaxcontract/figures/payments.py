"""Payments that are drawn, not fixed: the density that was learned beside the exact one."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import COLOURS, LOOKS, heading, legend, over_seeds, tidy

HEADROOM = 1.05
MOST = 3.0  # of the exact density's greatest, above which a narrow learned one leaves the picture


@at_defaults()
def payment_density(edges: Any, learned: Any, exact: Any, *, title: str) -> Figure:
    """Densities of the rent x = (r − c_0)/S that a station pays.

    edges:   [E]         between which a density is constant
    learned: [S, E − 1]  a thin line for each seed and a thick one for their mean
    exact:   [E − 1]     of the mixed equilibrium
    """
    edges, learned, exact = (np.asarray(values, float) for values in (edges, learned, exact))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for seed in learned:
        axes.stairs(seed, edges, baseline=None, color=COLOURS["learned"], linewidth=0.8, alpha=0.45)
    mean, _, _ = over_seeds(learned)
    axes.stairs(mean, edges, baseline=None, color=COLOURS["learned"], linewidth=2.2)
    exact_look = {"color": COLOURS["optimum"], "linestyle": LOOKS["optimum"].line}
    axes.stairs(exact, edges, baseline=None, linewidth=2.2, **exact_look)
    axes.set_ylim(0.0, HEADROOM * max(exact.max(), min(learned.max(), MOST * exact.max())))
    axes.set_xlim(0.0, 1.0)
    axes.set(xlabel="rent x: what is paid above the cost, as a share of the surplus", ylabel="density")
    heading(axes, title)
    tidy(axes)
    count = len(learned)
    seeds = f"learned ({count} seed{'s' * (count > 1)})"
    keys = {"learned": seeds, "optimum": "equilibrium"}
    lines = [
        Line2D([], [], color=COLOURS[name], linestyle=LOOKS[name].line, linewidth=2.2, label=label)
        for name, label in keys.items()
    ]
    legend(figure, [], *lines)
    return figure
