"""Arrays to matplotlib figures. The same colour means the same thing in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, safe for colour-blind readers.
COLOURS = {
    "learned": "#0072B2",
    "optimum": "#009E73",
    "pooled": "#E69F00",
    "random": "#D55E00",
    "random feasible": "#CC79A7",
}


def learning_curve(
    env_steps: Any,
    rewards: Any,
    regrets: Any,
    *,
    reward_lines: Mapping[str, float],
    regret_lines: Mapping[str, float],
    title: str,
) -> Figure:
    """Test reward, and below it regret on a logarithmic axis, against the rounds played.

    env_steps: [N]; rewards, regrets: [S, N], a thin line for each seed and a thick one for the mean
    reward_lines, regret_lines: levels to compare with, by scheme
    """
    env_steps, rewards, regrets = (np.asarray(a, float) for a in (env_steps, rewards, regrets))
    figure = Figure(figsize=(8, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    figure.suptitle(title)
    _curves(above, env_steps, rewards)
    _curves(below, env_steps, regrets)
    above.set_ylabel("test reward (13)")
    below.set_ylabel("mean regret  U$_B$* − U$_B$")
    below.set_xlabel("env steps (rounds played, each seed)")
    if np.any(regrets > 0):
        below.set_yscale("log")
    _levels(above, reward_lines)
    _levels(below, regret_lines)
    for axes in (above, below):
        axes.set_xlim(0, env_steps[-1] * 1.22)  # room for the labels
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _curves(axes: Axes, steps: np.ndarray, values: np.ndarray) -> None:
    for seed in values:
        axes.plot(steps, seed, color=COLOURS["learned"], linewidth=0.8, alpha=0.45)
    defined = np.isfinite(values)
    counts = defined.sum(axis=0)
    sums = np.where(defined, values, 0.0).sum(axis=0)
    mean = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    axes.plot(steps, mean, color=COLOURS["learned"], linewidth=2.2)
    if counts[-1]:
        _label(axes, steps[-1], mean[-1], f"learned ({len(values)} seeds)", "learned")


def _levels(axes: Axes, lines: Mapping[str, float]) -> None:
    for name, level in lines.items():
        if np.isfinite(level):
            axes.axhline(level, color=COLOURS[name], linewidth=1.4, linestyle="--")
            _label(axes, axes.get_xlim()[1], level, name, name, right=True)


def _label(axes: Axes, x: float, y: float, text: str, scheme: str, *, right: bool = False) -> None:
    axes.annotate(
        text,
        (1.0, y) if right else (x, y),
        xycoords=("axes fraction", "data") if right else "data",
        xytext=(-4, 3) if right else (4, -10),
        textcoords="offset points",
        ha="right" if right else "left",
        color=COLOURS[scheme],
        fontsize=9,
    )


def save(figure: Figure, path: Any, *, formats: Sequence[str] = ("png",)) -> None:
    """Write a figure beside `path` in each format."""
    for suffix in formats:
        figure.savefig(f"{path}.{suffix}", dpi=120)
