"""Devices that may walk away: what contracts earn, and how many devices come, against the scale of taste."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import LOOKS, SMALL, heading, legend, log_axis, tidy

SHOWN = ("best response", "contract of (10)")


@at_defaults()
def participation_curves(taste_scale: Any, earned: Any, joining: Any, certain: float) -> Figure:
    """Two panels over μ, for the best contract and for that of (10).

    taste_scale: [V]     μ, units of payment
    earned:      [2, V]  U of either
    joining:     [2, V]  shares of the devices that come
    certain:     U_B* where every device takes part
    """
    taste_scale = np.asarray(taste_scale, float)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, values in ((left, earned), (right, joining)):
        for name, row in zip(SHOWN, np.asarray(values, float), strict=True):
            look = LOOKS[name]
            axes.plot(taste_scale, row, color=look.colour, linestyle=look.line, linewidth=2.0)
        log_axis(axes, "x")
        axes.set_xlabel("scale of taste μ (units of payment)")
    left.axhline(certain, color="0.4", linewidth=0.9, linestyle=":")
    end = {"xycoords": ("axes fraction", "data"), "va": "bottom", "ha": "right", "fontsize": SMALL}
    left.annotate("U_B* if all take part", (1, certain), **end)
    left.set_ylim(0, 1.12 * certain)
    right.set_ylim(0, 1.05)
    left.set_ylabel("U (units of payment)")
    right.set_ylabel("share of devices that come")
    heading(left, "what the base station earns")
    heading(right, "who takes part")
    tidy(left, right)
    legend(figure, SHOWN)
    return figure
