"""What all figures share: a look for each scheme, labels that keep apart, bands of seeds, files.

Text is 9 points high in figures of at most 10 inches: 10 pixels where a page shows them 800 pixels wide.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path as Outline
from matplotlib.ticker import LogFormatterSciNotation
from matplotlib.transforms import ScaledTranslation, offset_copy
from PIL import Image

from jaxcontract.evaluation.statistics import Statistic
from jaxcontract.evaluation.statistics import mean as mean_of
from jaxcontract.evaluation.statistics import over_seeds as over_seeds
from jaxcontract.figures.backend import at_defaults
from jaxcontract.storage.files import write_bytes

TEXT = 9  # points
SMALL = 8
NEAR = 0.95  # of the width of the axes: what ends to the right of it is near its label
DPI = 120
GREY = "#707070"
CUT = "axis cut: does not begin at 0"
STROKES: dict[str, Any] = {
    "marker": Outline([(-1, -0.8), (1, 0.2), (-1, -0.2), (1, 0.8)], [Outline.MOVETO, Outline.LINETO] * 2),
    "markersize": 9,
    "markeredgecolor": "black",
    "markeredgewidth": 1.0,
}
SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"


class Look(NamedTuple):
    """How a scheme is drawn: `line` is any line style of matplotlib."""

    colour: str
    marker: str
    line: Any


# Okabe and Ito's palette, safe for colour-blind readers; markers and lines tell the schemes apart in grey.
LOOKS = {
    "learned": Look("#0072B2", "o", "-"),
    "PPO feasible": Look("#0072B2", "o", "-"),
    "PPO printed": Look("#56B4E9", "s", (0, (6, 1.5))),
    "gradient": Look("#D55E00", "^", (0, (6, 1.5, 1, 1.5))),
    "optimum": Look("#009E73", "D", (0, (3, 1))),
    "contract of (10)": Look("#009E73", "d", "-."),
    "best response": Look("#D55E00", "H", "-"),
    "whole cycles": Look("#CC79A7", "8", (0, (3, 1))),
    "complete information": Look("#000000", "*", (0, (1, 1))),
    "social optimum": Look("#009E73", "p", (0, (4, 1, 1, 1, 1, 1))),
    "pooled": Look("#E69F00", "v", "--"),
    "naive": Look("#E69F00", "h", ":"),
    "posted price": Look("#F0E442", "P", "--"),
    "take it or leave it": Look("#F0E442", "X", ":"),
    "random feasible": Look("#CC79A7", "<", "-."),
    "random": Look("#808080", ">", ":"),
}
# What has no scheme of its own: in order, each colour once before lines of another kind.
HUES = ("#0072B2", "#D55E00", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
LINES = ("-", "--", "-.", ":")
COLOURS = {scheme: look.colour for scheme, look in LOOKS.items()}


def nth_look(number: int) -> Look:
    """The look of the n-th of several things that are no schemes, such as runs; green is the optimum's."""
    return Look(HUES[number % len(HUES)], "o", LINES[number // len(HUES) % len(LINES)])


class Label(NamedTuple):
    """Words in the right margin for what is drawn at (x, y) of the data; x None is the axes' right edge."""

    text: str
    colour: str
    y: float
    x: float | None = None


def readable(colour: str) -> str:
    """The colour, darkened until its contrast with white is the 4.5 : 1 that small text needs."""
    rgb = np.array(to_rgb(colour))
    while _contrast(rgb) < 4.5:
        rgb = 0.97 * rgb
    return to_hex(tuple(rgb))


def _contrast(rgb: Any) -> float:
    """Contrast with white, from 1 to 21, as the Web Content Accessibility Guidelines define it."""
    rgb = np.asarray(rgb)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(1.05 / (0.05 + linear @ [0.2126, 0.7152, 0.0722]))


def ink(scheme: str) -> str:
    """A scheme's colour as text and thin edges wear it."""
    return readable(LOOKS[scheme].colour)


def dots(scheme: str, *, hollow: bool = False, size: float = 6.5) -> dict[str, Any]:
    """Arguments of `plot` for a scheme's markers without a line; hollow ones are not feasible."""
    look = LOOKS[scheme]
    size = {"*": 1.5, "D": 0.9}.get(look.marker, 1.0) * size
    pale = _contrast(to_rgb(look.colour)) < 2
    edge = ink(scheme) if hollow or pale else "white" if size > 5 else look.colour
    return {
        "linestyle": "none",
        "marker": look.marker,
        "markersize": size,
        "markerfacecolor": "white" if hollow else look.colour,
        "markeredgecolor": edge,
        "markeredgewidth": 1.3 if hollow else 0.5,
    }


def band(
    axes: Axes,
    x: Any,
    values: Any,
    scheme: str,
    *,
    marked: bool = False,
    width: float = 1.8,
    looks: Mapping[str, Look] = LOOKS,
    statistic: Statistic = mean_of,
) -> np.ndarray:
    """Draw the mean over seeds as a line in a band, its 95 % interval; returns the mean [P].

    x: [P]; values: [S, P], NaN where a seed has no value; marked: a marker at each point
    looks: of the schemes; statistic: another than the mean
    """
    centre, low, high = over_seeds(values, statistic)
    look = looks[scheme]
    axes.fill_between(x, low, high, color=look.colour, alpha=0.25, linewidth=0)
    points = dots(scheme, size=5) if marked else {}
    axes.plot(x, centre, color=look.colour, linewidth=width, **{**points, "linestyle": look.line})
    return centre


def missing(axes: Axes, x: Any, values: Any, scheme: str, *, shift: float = 0.0) -> bool:
    """An open marker at the top edge wherever seeds have no finite value, with how many of how many.

    x: [V]; values: [V, S]; shift: points to the right. Returns whether there was any.
    """
    values = np.asarray(values, float)
    lost = np.count_nonzero(~np.isfinite(values), axis=1)
    place = shift_right(axes, axes.get_xaxis_transform(), shift)
    for position, count in zip(x, lost, strict=True):
        if count:
            axes.plot(
                position,
                1.0,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                **dots(scheme, hollow=True),
            )
            axes.lines[-1].set_transform(place)  # after the data limits were found
            axes.annotate(
                f"{count}/{values.shape[1]}",
                (position, 1.0),
                xycoords=place,
                xytext=(0, -5),
                textcoords="offset points",
                ha="center",
                va="top",
                color=ink(scheme),
                fontsize=SMALL,
            )
    return bool(lost.any())


def missing_key() -> Line2D:
    """What the open markers of `missing` mean, for a legend."""
    text = "at the top: seeds with no value, of how many"
    return Line2D([], [], color=GREY, marker="o", markerfacecolor="white", linestyle="", label=text)


def shift_right(axes: Axes, transform: Any, right: float) -> Any:
    """A transform of the axes moved to the right by some points, so that markers do not hide each other."""
    return transform + ScaledTranslation(right / 72, 0, axes.figure.dpi_scale_trans)


def levels(axes: Axes, values: Mapping[str, float], looks: Mapping[str, Look] = LOOKS) -> list[Label]:
    """Horizontal lines at the schemes' levels, those that are finite; returns their labels."""
    shown = {scheme: level for scheme, level in values.items() if np.isfinite(level)}
    for scheme, level in shown.items():
        axes.axhline(level, color=looks[scheme].colour, linestyle=looks[scheme].line, linewidth=1.4)
    return [Label(scheme, readable(looks[scheme].colour), level) for scheme, level in shown.items()]


def end_label(text: str, colour: str, x: Any, y: Any) -> list[Label]:
    """The label of a curve [P] at its last finite point; none if it has none."""
    finite = np.flatnonzero(np.isfinite(y))
    return [Label(text, readable(colour), float(y[finite[-1]]), float(x[finite[-1]]))] if finite.size else []


def place_labels(figure: Figure, labels: Mapping[Axes, Sequence[Label]]) -> None:
    """Write labels into the right margin of their axes, as near to their heights as they can keep apart.

    The last thing to do to a figure: scales, limits and titles must be settled.
    """
    figure.draw_without_rendering()
    for axes, every in labels.items():
        to_axes = axes.transScale + axes.transLimits
        right = axes.get_xlim()[1]
        points = [to_axes.transform((right if entry.x is None else entry.x, entry.y)) for entry in every]
        shown = [bool(np.isfinite(point).all()) for point in points]  # a logarithmic axis has no place for 0
        entries = [entry for entry, is_shown in zip(every, shown, strict=True) if is_shown]
        ends = np.clip(np.reshape(points, (-1, 2))[shown], 0.0, 1.0)
        gap = 1.25 * TEXT / 72 / (axes.get_window_extent().height / figure.dpi)
        places = spread(ends[:, 1], gap)
        for entry, end, place in zip(entries, ends, places, strict=True):
            axes.annotate(
                entry.text,
                tuple(end),
                xycoords="axes fraction",
                xytext=(1.0, place),
                textcoords=offset_copy(axes.transAxes, figure, x=13, units="points"),
                va="center",
                color=entry.colour,
                fontsize=TEXT,
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-",
                    "color": entry.colour,
                    "linewidth": 0.7,
                    "linestyle": "-" if end[0] > NEAR else ":",  # across a panel it must not look like data
                    "relpos": (0, 0.5),
                    "shrinkA": 1,
                    "shrinkB": 2,
                },
            )


def spread(heights: Any, gap: float) -> np.ndarray:
    """The positions in [0, 1] nearest to the heights [n] that are at least a gap apart, in the same order.

    Least squares under an order constraint: pool adjacent violators. Where [0, 1] is too short for
    the gap, a smaller one.
    """
    heights = np.asarray(heights, float)
    if heights.size == 0:
        return heights
    order = np.argsort(heights, kind="stable")
    steps = min(gap, 1 / max(len(heights) - 1, 1)) * np.arange(len(heights))
    blocks: list[np.ndarray] = []  # (sum, count)
    for height in heights[order] - steps:
        blocks.append(np.array([height, 1.0]))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    pooled = np.concatenate([np.full(int(count), total / count) for total, count in blocks])
    positions = np.empty_like(heights)
    positions[order] = np.clip(pooled, 0.0, 1.0 - steps[-1]) + steps
    return positions


def legend(figure: Figure, schemes: Iterable[str], *others: Line2D, lines: bool = True) -> None:
    """One line of keys above the figure, for schemes whose curves lie too close for direct labels."""
    keys = []
    for scheme in schemes:
        line = LOOKS[scheme].line if lines else "none"
        look = {**dots(scheme), "linestyle": line}
        keys.append(Line2D([], [], color=COLOURS[scheme], label=scheme, **look))
    handles = [*keys, *others]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(len(handles), 6),
        frameon=False,
        fontsize=TEXT,
        handlelength=2.6 if lines else 1.2,
        columnspacing=1.6,
    )


def plain(value: float) -> str:
    """A number as axes show it: 0.01, 2000, 10⁻⁴, 3·10⁻⁵, 4.3·10⁻⁴ (small ones to two digits)."""
    if value == 0 or 1e-3 <= abs(value) < 1e5 or not np.isfinite(value):
        return f"{value:g}".replace("-", "−").replace("inf", "∞")
    mantissa, exponent = f"{value:.1e}".split("e")
    mantissa = mantissa.removesuffix(".0")
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", SUPERSCRIPTS))
    return {"1": power, "-1": "−" + power}.get(mantissa, f"{mantissa}·{power}".replace("-", "−"))


class PlainLog(LogFormatterSciNotation):
    """matplotlib's choice of labels on a logarithmic axis, as plain numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return plain(x) if super().__call__(x, pos) else ""


def log_axis(axes: Axes, which: str, *, between: float = 1.2) -> None:
    """Make the axis "x" or "y" logarithmic, in plain numbers.

    between: decades up to which numbers between powers of ten are written too
    """
    (axes.set_xscale if which == "x" else axes.set_yscale)("log", nonpositive="mask")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(PlainLog())
    axis.set_minor_formatter(PlainLog(labelOnlyBase=False, minor_thresholds=(between, 0.5)))


def value_ticks(
    axes: Axes, values: Any, texts: Sequence[str] | None = None, *, default: float | None = None
) -> None:
    """Ticks at the values [V] on x, with their numbers or texts wherever there is room for them.

    The default comes first, then the ends, then the others from left to right. The layout must be
    settled, as by `figure.draw_without_rendering()`, since the room is measured.
    """
    values = np.asarray(values, float)
    texts = [plain(value) for value in values] if texts is None else texts
    width = axes.get_window_extent().width / axes.figure.dpi
    to_axes = axes.transScale + axes.transLimits
    places = np.array([to_axes.transform((value, axes.get_ylim()[1]))[0] for value in values]) * width
    sizes = [SMALL / 72 * (0.6 + sum(0.4 if c in SUPERSCRIPTS else 0.62 for c in text)) for text in texts]
    ends = (0, len(values) - 1)
    kept: list[int] = []
    for index in sorted(range(len(values)), key=lambda i: (values[i] != default, i not in ends, i)):
        rooms = [abs(places[index] - places[k]) - (sizes[index] + sizes[k]) / 2 for k in kept]
        if all(room >= 0 for room in rooms):
            kept.append(index)
    axes.set_xticks(values, [text if i in kept else "" for i, text in enumerate(texts)])
    axes.set_xticks([], minor=True)


def tidy(*axes: Axes) -> None:
    """Text of one size, a pale grid, and no box."""
    for one in axes:
        one.tick_params(which="both", labelsize=SMALL)
        for axis in (one.xaxis, one.yaxis):
            axis.label.set_fontsize(TEXT)
            axis.get_offset_text().set_fontsize(SMALL)
        one.grid(alpha=0.25, linewidth=0.6)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)


def mark_cut(axes: Axes, *, named: bool = True) -> bool:
    """Two strokes through the foot of a linear y axis that does not reach zero; returns whether it is such.

    named: say so in its label too. Limits must be final.
    """
    low, high = axes.get_ylim()
    if axes.get_yscale() != "linear" or low <= 0 <= high:
        return False
    axes.figure.add_artist(Line2D([0.0], [0.03], transform=axes.transAxes, **STROKES))  # no data of the axes
    if named:
        axes.set_ylabel(f"{axes.get_ylabel()}\n{CUT}", fontsize=TEXT)
    return True


def cut_key() -> Line2D:
    """What the strokes of `mark_cut` mean, for a legend."""
    return Line2D([], [], linestyle="", label=CUT, **STROKES)


def heading(axes: Axes, text: str, colour: str = "black") -> None:
    """A panel's title, at its left."""
    axes.set_title(text, loc="left", fontsize=TEXT, color=colour, pad=8)


@at_defaults()
def save(figure: Figure, path: Any, *, formats: Sequence[str] = ("png",)) -> None:
    """Write a figure beside `path` in each format, whole or not at all.

    PNGs keep 256 colours: a third of the size.
    """
    for suffix in formats:
        data = io.BytesIO()
        figure.savefig(data, format=suffix, dpi=DPI)
        write_bytes(Path(f"{path}.{suffix}"), _few_colours(data) if suffix == "png" else data.getvalue())


def _few_colours(png: io.BytesIO) -> bytes:
    """A picture in 256 colours."""
    few = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(few, "png", optimize=True)
    return few.getvalue()
