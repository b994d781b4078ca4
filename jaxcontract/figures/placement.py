"""Where words fit inside a panel: beside points, along lines, clear of what is drawn there already.

All lengths are in points (1/72 inch); places are of the settled figure, so limits and layout must be final.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from jaxcontract.figures.style import SMALL, TEXT

ALONG = np.linspace(0.04, 0.96, 47)  # where along a line words may stand
CLEAR = 9.0  # a distance beyond which more of it is of no use
AIR = 5.0  # what words keep free around them where they can
STROKE = 1.5  # half of the side of the boxes that stand for a line
# Where words may stand about a point, the best first: (right, up), each -1, 0 or 1.
ABOUT = ((-1, 1), (1, 1), (-1, -1), (1, -1), (0, 1), (0, -1), (-1, 0), (1, 0))


class TextBox(NamedTuple):
    """A box that words or a marker take: its middle, and half of its size."""

    x: float
    y: float
    half_width: float
    half_height: float

    def grown(self, by: float) -> "TextBox":
        """The box with a margin."""
        return self._replace(half_width=self.half_width + by, half_height=self.half_height + by)

    def overlaps(self, others: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """The areas [N] that it shares, a margin around it, with boxes [N, 4] of the same four numbers."""
        half = np.array([self.half_width, self.half_height]) + margin
        apart = np.abs(others[:, :2] - [self.x, self.y])
        return np.clip(half + others[:, 2:] - apart, 0.0, 2 * np.minimum(half, others[:, 2:])).prod(axis=1)


def in_points(axes: Axes, places: Any) -> np.ndarray:
    """Places [N, 2] of the data in points from the figure's lower left corner."""
    return axes.transData.transform(np.asarray(places, float).reshape(-1, 2)) * 72 / axes.figure.dpi


def size_of(text: str, size: float = TEXT) -> tuple[float, float]:
    """About the half width and half height of a line of text; markup of formulas takes no room."""
    half_widths = (0.34 if c.isdigit() else 0.28 for c in text if c not in "$_")
    return size * sum(half_widths), 0.5 * size


def beside(
    axes: Axes, place: tuple[float, float], text: str, taken: Sequence[TextBox], reach: float
) -> TextBox:
    """The box for words beside a place of the data where they hide least of what is taken.

    reach: how far the place's own marker extends
    """
    (x, y), (half_width, half_height) = in_points(axes, [place])[0], size_of(text)
    low, high = in_points(axes, _corners(axes))
    frame = np.array([[*(low + high) / 2, *(high - low) / 2]])
    boxes = np.array(taken, float).reshape(-1, 4)
    others = boxes[np.hypot(boxes[:, 0] - x, boxes[:, 1] - y) > 1.0]  # all but its own
    best, least = TextBox(x, y, half_width, half_height), np.inf
    for farther, step in enumerate((reach, 1.6 * reach, 2.2 * reach)):
        for right_of, above in ABOUT:
            middle = x + right_of * (step + half_width), y + above * (step + half_height)
            box = TextBox(*middle, half_width, half_height)
            outside = 4 * half_width * half_height - float(box.overlaps(frame).sum())
            hidden = float(box.overlaps(boxes).sum() + 0.1 * box.overlaps(others, AIR).sum())
            cost = hidden + 10 * max(outside, 0.0) + 4 * farther
            if cost < least - 1e-9:
                best, least = box, cost
    return best


def stroke_boxes(
    axes: Axes, lines: Sequence[tuple[tuple[float, float], tuple[float, float]]]
) -> list[TextBox]:
    """What straight lines of the data take, as small boxes side by side."""
    boxes = []
    for line in lines:
        start, end = in_points(axes, line)
        count = max(2, int(np.hypot(*(end - start)) / (2 * STROKE)))
        boxes += [TextBox(x, y, STROKE, STROKE) for x, y in np.linspace(start, end, count)]
    return boxes


def along(
    axes: Axes,
    line: tuple[tuple[float, float], tuple[float, float]],
    others: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    text: str,
    taken: Sequence[TextBox],
) -> tuple[float, float]:
    """Where on a straight line of the data words have most room, far from other lines and from boxes."""
    start, end = in_points(axes, line)
    direction = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
    half = size_of(text, SMALL)[0]
    spots = start + ALONG[:, None] * (end - start)
    words = spots[:, None, :] + np.linspace(-half, half, 9)[None, :, None] * direction  # [spot, 9, 2]
    room = np.full(len(ALONG), CLEAR)
    for other in others:
        first, last = in_points(axes, other)
        room = np.minimum(room, _distance(words, first, last).min(axis=1))
    for box in taken:
        gap = np.abs(words - [box.x, box.y]) - [box.half_width + SMALL / 2, box.half_height + SMALL / 2]
        room = np.minimum(room, gap.max(axis=2).min(axis=1))
    inside = np.minimum(ALONG, 1 - ALONG) * np.hypot(*(end - start)) - half
    room = np.minimum(room, inside)
    spot = ALONG[int(np.argmax(room))]
    (x0, y0), (x1, y1) = line
    return x0 + spot * (x1 - x0), y0 + spot * (y1 - y0)


def _distance(points: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """From points [..., 2] to a segment."""
    step = last - first
    share = np.clip((points - first) @ step / max(float(step @ step), 1e-12), 0.0, 1.0)
    return np.linalg.norm(points - first - share[..., None] * step, axis=-1)


def _corners(axes: Axes) -> list[tuple[float, float]]:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return [(left, low), (right, high)]
