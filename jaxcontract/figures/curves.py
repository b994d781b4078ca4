"""Learning seen over time, and what the settings do to its end."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from jaxcontract.evaluation.statistics import Statistic
from jaxcontract.evaluation.statistics import mean as mean_of
from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import (
    COLOURS,
    CUT,
    GREY,
    LOOKS,
    SMALL,
    TEXT,
    Label,
    Look,
    band,
    dots,
    end_label,
    heading,
    legend,
    levels,
    log_axis,
    mark_cut,
    missing,
    missing_key,
    over_seeds,
    place_labels,
    readable,
    shift_right,
    tidy,
    value_ticks,
)
from jaxcontract.figures.words import CONTRACTS, Words

FEASIBLE = "share of feasible contracts"
DEFAULT: dict[str, Any] = {"color": GREY, "alpha": 0.35, "linewidth": 5, "zorder": 0.5}
STEPS = "env steps (rounds played, each seed)"


class Curve(NamedTuple):
    """What one scheme's test on fixed states gave as it learned.

    env_steps: [P]     rounds played
    reward:    [S, P]  mean of (13), the policy's mode
    feasible:  [S, P]  share of states with a feasible contract
    regret:    [S, P]  mean U_B* − U_B over those; NaN where there is none
    sampled:   [S, P]  reward of sampled actions, or None
    """

    env_steps: Any
    reward: Any
    feasible: Any
    regret: Any
    sampled: Any = None


class Panel(NamedTuple):
    """One setting varied, all else as it was. Panels of one row share the measure's axis.

    row, name, unit: heading of the row; the setting and its unit ("" for none)
    values:          [V]  what it was set to
    labels:          [V]  words for the values, which then stand side by side; None for numbers
    default:         the value otherwise used, None where there is none
    measures:        by scheme, [V, S]  the measure of each seed, NaN where there is none
    measure:         what is measured, with its unit
    """

    row: str
    name: str
    unit: str
    values: Any
    labels: Sequence[str] | None
    default: float | None
    measures: Mapping[str, Any]
    measure: str
    log_x: bool = False
    log_y: bool = False


@at_defaults()
def learning_curve(
    env_steps: Any,
    rewards: Any,
    regrets: Any,
    *,
    feasible: Any = None,
    reward_lines: Mapping[str, float],
    regret_lines: Mapping[str, float],
    title: str,
    words: Words = CONTRACTS,
) -> Figure:
    """Test reward, and below it regret on a logarithmic axis, against the rounds played.

    env_steps: [N]; rewards, regrets: [S, N], a thin line for each seed and a thick one for the mean
    feasible: [S, N]  share of feasible contracts, or None where it is not known
    reward_lines, regret_lines: levels to compare with, by scheme; `optimum` is what nobody beats
    words: of the game

    Where some contract is not feasible, a panel between them shows the shares. Where all are, the reward
    is U_B, which the optimum's hides: then it is drawn as its distance from that, beside the schemes that
    `regret_lines` names, and a scheme whose reward is far below them is told in words.
    """
    env_steps, rewards, regrets = (np.asarray(a, float) for a in (env_steps, rewards, regrets))
    shares = None if feasible is None else np.asarray(feasible, float)
    zoomed = shares is not None and bool(np.all(shares == 1.0)) and "optimum" in reward_lines
    shown = words.distance_axis if zoomed else words.reward_axis
    panels = [shown, *[FEASIBLE] * (shares is not None and not zoomed), words.regret_axis]
    figure = Figure(figsize=(8, 0.4 + 2.9 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True)
    figure.suptitle(title, fontsize=TEXT + 1)
    above, below = grid[0], grid[-1]
    labels: dict[Axes, list[Label]] = {axes: [] for axes in grid}
    if zoomed:
        optimum = reward_lines["optimum"]
        labels[above] = _seeds(above, env_steps, rewards - optimum)
        nearest = {"optimum": 0.0, **{name: -at for name, at in regret_lines.items()}}
        labels[above] += _levels(above, nearest, words)
        heading(above, _far_below(reward_lines))
    else:
        labels[above] = _seeds(above, env_steps, rewards) + _levels(above, reward_lines, words)
    if len(panels) == 3:
        labels[grid[1]] = _seeds(grid[1], env_steps, shares)
        grid[1].set_ylim(-0.04, 1.04)
    labels[below] = _seeds(below, env_steps, regrets) + levels(below, regret_lines)
    if not np.isfinite(regrets).any():
        _say_never(below, {"learned": LOOKS["learned"]})
    _regret_axis(below, [regrets, *regret_lines.values()])
    _finish(figure, dict(zip(grid, panels, strict=True)), labels, env_steps[-1])
    return figure


@at_defaults()
def learning_comparison(
    curves: Mapping[str, Curve],
    *,
    reward_levels: Mapping[str, float],
    regret_levels: Mapping[str, float],
    title: str,
    looks: Mapping[str, Look] = LOOKS,
    statistic: Statistic = mean_of,
    distance: str = "",
    words: Words = CONTRACTS,
) -> Figure:
    """Fig. 2(a): test reward, share of feasible contracts, and regret against the rounds played.

    curves: by scheme; each a mean over seeds in its 95 % interval, sampled actions thin and dashed
    reward_levels, regret_levels: what to compare with, by scheme
    looks: of all of these; statistic: what the curves show of the seeds, if not their mean
    distance: what `regret` holds, if another distance from the best, with its unit
    words: of the games

    Regret is over the seeds that have a feasible contract; a scheme that never has one says so.
    """
    figure = Figure(figsize=(8, 8), layout="constrained")
    reward, feasible, regret = figure.subplots(3, 1, sharex=True, height_ratios=(1.25, 0.8, 1.25))
    figure.suptitle(title, fontsize=TEXT + 1)
    labels: dict[Axes, list[Label]] = {reward: [], feasible: [], regret: []}
    for scheme, curve in curves.items():
        counted = _label_seeds(scheme, len(curve.reward))
        parts = (
            (reward, curve.reward, counted),
            (feasible, curve.feasible, scheme),
            (regret, curve.regret, scheme),
        )
        for axes, values, text in parts:
            centre = band(axes, curve.env_steps, values, scheme, looks=looks, statistic=statistic)
            labels[axes] += end_label(text, looks[scheme].colour, curve.env_steps, centre)
        labels[reward] += _draw_sampled(reward, scheme, curve)
    labels[reward] += levels(reward, reward_levels, looks)
    labels[regret] += levels(regret, regret_levels, looks)
    _regret_axis(regret, [*(curve.regret for curve in curves.values()), *regret_levels.values()])
    never = [scheme for scheme, curve in curves.items() if not np.isfinite(curve.regret).any()]
    _say_never(regret, {scheme: looks[scheme] for scheme in never})
    feasible.set_ylim(-0.04, 1.04)
    names = {reward: words.reward_axis, feasible: FEASIBLE, regret: distance or words.regret_axis}
    names[reward] += f"\n{CUT}" * mark_cut(reward, named=False)
    _finish(figure, names, labels, max(np.max(curve.env_steps) for curve in curves.values()))
    return figure


@at_defaults()
def sensitivity(panels: Sequence[Panel]) -> Figure:
    """Small multiples: a measure against one setting at a time, a dot for each seed, the mean a line.

    A row for each `row` of the panels, in their order. The default value is marked by a grey line.
    Seeds without a finite value are an open marker at the top edge, with how many of how many.
    """
    rows: dict[str, list[Panel]] = {}
    for panel in panels:
        rows.setdefault(panel.row, []).append(panel)
    width = max(len(row) for row in rows.values())
    across = min(10.0, max(5.5, 1.0 + 2.5 * width))  # room for the legend
    figure = Figure(figsize=(across, 0.5 + 2.15 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), width, squeeze=False, sharey="row")
    lost = False
    for line, (name, row) in zip(grid, rows.items(), strict=True):
        for axes, panel in zip(line, row, strict=False):
            lost |= _vary(axes, panel)
        line[0].set_ylabel(row[0].measure)
        heading(line[0], name)
        tidy(*line[: len(row)])
        for axes in line[len(row) :]:
            axes.set_axis_off()
    schemes = dict.fromkeys(scheme for panel in panels for scheme in panel.measures)
    marked = any(panel.default is not None for panel in panels)
    keys = [Line2D([], [], color=GREY, alpha=0.35, linewidth=5, label="default value")] * marked
    legend(figure, schemes, *keys, *[missing_key()] * lost)
    figure.draw_without_rendering()
    for line, row in zip(grid, rows.values(), strict=True):
        for axes, panel in zip(line, row, strict=False):
            default = None if panel.labels is not None else panel.default
            value_ticks(axes, _positions(panel), panel.labels, default=default)
    return figure


def _seeds(axes: Axes, steps: np.ndarray, values: Any) -> list[Label]:
    """A line for each of the seeds [S, N] and a thick one for their mean; returns its label."""
    for seed in values:
        axes.plot(steps, seed, color=COLOURS["learned"], linewidth=0.8, alpha=0.45)
    mean, _, _ = over_seeds(values)
    axes.plot(steps, mean, color=COLOURS["learned"], linewidth=2.2)
    ends = np.flatnonzero(np.isfinite(mean))
    known = int(np.isfinite(values[:, ends[-1]]).sum()) if ends.size else 0
    text = (
        _label_seeds("learned", len(values))
        if known == len(values)
        else f"learned ({known} of {len(values)} seeds)"
    )
    return end_label(text, COLOURS["learned"], steps, mean)


def _levels(axes: Axes, values: Mapping[str, float], words: Words) -> list[Label]:
    """Levels of schemes, of which the optimum is called as the game has it."""
    named = {words.optimum if name == "optimum" else name: level for name, level in values.items()}
    return levels(axes, named, {**LOOKS, words.optimum: LOOKS["optimum"]})


def _far_below(reward_lines: Mapping[str, float]) -> str:
    """That all is feasible, and how far below the optimum those are that are not."""
    optimum = reward_lines["optimum"]
    others = {
        name: optimum - at for name, at in reward_lines.items() if name != "optimum" and np.isfinite(at)
    }
    told = "".join(f"; {name}: {below:,.0f} below the optimum" for name, below in others.items())
    return f"all contracts of all seeds are feasible{told}"


def _regret_axis(axes: Axes, curves: Sequence[Any]) -> None:
    """A logarithmic axis where any regret is above zero; what is not leaves a gap, and the panel says so."""
    values = np.concatenate([np.ravel(np.asarray(curve, float)) for curve in curves])
    if np.any(values > 0):
        log_axis(axes, "y")
        if np.any(values <= 0):
            text = "gaps: a regret of zero or below, which this axis cannot show"
            axes.text(0.02, 0.03, text, transform=axes.transAxes, color=GREY, fontsize=SMALL)


def _label_seeds(scheme: str, seeds: int) -> str:
    return f"{scheme} ({seeds} seed{'s' if seeds > 1 else ''})"


def _draw_sampled(axes: Axes, scheme: str, curve: Curve) -> list[Label]:
    if curve.sampled is None:
        return []
    mean, _, _ = over_seeds(curve.sampled)
    axes.plot(curve.env_steps, mean, color=COLOURS[scheme], linewidth=0.9, linestyle=(0, (3, 2)))
    return end_label(f"{scheme}, sampled", COLOURS[scheme], curve.env_steps, mean)


def _say_never(axes: Axes, looks: Mapping[str, Look]) -> None:
    for number, (scheme, look) in enumerate(looks.items()):
        text, colour = f"{scheme}: no feasible contract", readable(look.colour)
        at = (0.98, 0.84 - 0.09 * number)
        clear = {"facecolor": "white", "linewidth": 0, "pad": 1.0}
        words = axes.text(*at, text, transform=axes.transAxes, ha="right", va="top", bbox=clear, zorder=5)
        words.set(color=colour, fontsize=TEXT)


def _finish(
    figure: Figure, names: Mapping[Axes, str], labels: Mapping[Axes, Sequence[Label]], last: float
) -> None:
    """Axes named and tidy, rounds as 200k and 1M, labels in the margin."""
    for axes, name in names.items():
        axes.set_ylabel(name)
        axes.set_xlim(0, last or 1.0)  # a run that has only begun
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(STEPS)
    tidy(*names)
    figure.align_ylabels()
    place_labels(figure, labels)


def _positions(panel: Panel) -> np.ndarray:
    """Where the values [V] stand on x: side by side where they have labels."""
    return np.arange(len(panel.values)) if panel.labels is not None else np.asarray(panel.values, float)


def _vary(axes: Axes, panel: Panel) -> bool:
    """Draw one panel; returns whether any seed has no value."""
    x = _positions(panel)
    for scale, wanted in (("x", panel.log_x and panel.labels is None), ("y", panel.log_y)):
        if wanted:
            log_axis(axes, scale)
    lost = False
    for number, (scheme, values) in enumerate(panel.measures.items()):
        shift = 5.0 * (number - (len(panel.measures) - 1) / 2)
        place = shift_right(axes, axes.transData, shift)
        values = np.where(np.isfinite(values), values, np.nan)
        mean, _, _ = over_seeds(values.T)
        lines = axes.plot(x, mean, color=COLOURS[scheme], linestyle=LOOKS[scheme].line, linewidth=1.5)
        lines += axes.plot(x, values, alpha=0.7, **dots(scheme, size=3.5))
        for line in lines:
            line.set_transform(place)  # after the data limits were found
        lost |= missing(axes, x, values, scheme, shift=shift)
    if panel.default is not None:
        nearest = np.argmin(np.abs(np.asarray(panel.values, float) - panel.default))
        axes.axvline(panel.default if panel.labels is None else x[nearest], **DEFAULT)
    axes.set_xlabel(f"{panel.name} ({panel.unit})" if panel.unit else panel.name)
    axes.margins(x=0.1)
    return lost
