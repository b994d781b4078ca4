"""Pictures of rounds that matter: what they show is what they were given."""

import numpy as np
from matplotlib.colors import to_hex

import jaxcontract.figures as figures
from jaxcontract.figures import style


def test_a_share_of_the_bound_is_in_per_cent_beside_its_baselines():
    steps, shares = np.linspace(0, 1e6, 5), np.linspace(0.6, 0.99, 10).reshape(2, 5)
    (axes,) = figures.share_curve(steps, shares, {"constant": 0.9, "myopic": 0.7}, title="a title").axes
    learned = style.COLOURS["learned"].lower()
    curves = [
        line for line in axes.lines if to_hex(line.get_color()) == learned and len(line.get_xdata()) == 5
    ]
    np.testing.assert_allclose(curves[-1].get_ydata(), 100 * shares.mean(axis=0))
    flat = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
    np.testing.assert_allclose(flat, [90.0, 70.0])
    assert axes.get_title(loc="left") == "a title"


def test_each_quantity_has_a_panel_with_a_line_for_each_name():
    rounds = {"learned": np.array([1.0, 0.5, 0.2]), "plan": np.array([1.0, 0.6, 0.0])}
    panels = {"money left": rounds, "payments": {name: 2 * line for name, line in rounds.items()}}
    figure = figures.round_paths(panels, title="a game")
    assert [axes.get_ylabel() for axes in figure.axes] == list(panels)
    for axes, lines in zip(figure.axes, panels.values(), strict=True):
        for drawn, values in zip(axes.lines, lines.values(), strict=True):
            np.testing.assert_array_equal(drawn.get_xdata(), [1, 2, 3])
            np.testing.assert_array_equal(drawn.get_ydata(), values)
    assert figure.axes[-1].get_xlabel() == "round"
