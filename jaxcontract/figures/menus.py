"""Menus for two device types that are drawn, not fixed: what was learned beside an equilibrium."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import TEXT, heading, tidy

FINE = 60  # cells along each axis of what was learned


@at_defaults()
def menu_density(learned: Any, menus: Any, weights: Any, *, title: str) -> Figure:
    """Where the menus lie that stations draw: x_1, and where u_2 − u_1 is between its two ends.

    learned: [N, 2]  draws
    menus:   [A, 2]  of an equilibrium on a grid, a dot for each that is used, its area the chance
    weights: [A]
    """
    learned, menus, weights = (np.asarray(values, float) for values in (learned, menus, weights))
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    left.hist2d(learned[:, 0], learned[:, 1], bins=FINE, range=[[0, 1], [0, 1]], cmap="Blues", cmin=1)
    heading(left, f"learned: {len(learned):,} draws")
    used = weights > 0
    right.scatter(*menus[used].T, s=2000 * weights[used], color="C0", alpha=0.6, linewidths=0)
    heading(right, f"equilibrium on {len(menus)} menus: area = chance")
    left.set(xlim=(-0.06, 1.06), ylim=(-0.12, 1.12), ylabel="$u_2 − u_1$, from its least to its most")
    for axes in (left, right):
        axes.set_xlabel("$x_1$: rent of type 1, as a share of its surplus")
        tidy(axes)
    figure.suptitle(title, fontsize=TEXT, x=0.02, ha="left")
    return figure
