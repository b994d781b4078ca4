"""Pictures of competing stations: what they show is what they were given, in the units that they name."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

import jaxcontract.figures as figures
from jaxcontract.figures import style

STEPS = np.linspace(0, 1.2e6, 13)


def words(figure):
    return [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")) if text.get_text()]


def of_colour(axes, scheme):
    return [line for line in axes.lines if to_hex(line.get_color()) == style.COLOURS[scheme].lower()]


@pytest.mark.parametrize("seeds", [1, 4])
def test_exploitability_is_in_per_cent_beside_its_baselines(seeds):
    values = np.exp(-STEPS / 2e5) * np.random.default_rng(0).lognormal(size=(seeds, len(STEPS)))
    lines = {"contract of (10)": 9.2, "one fee": 0.5}
    figure = figures.exploitability_curve(STEPS, values, lines, title="a title")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    *thin, mean = [line for line in of_colour(axes, "learned") if len(line.get_xdata()) == len(STEPS)]
    np.testing.assert_allclose(mean.get_ydata(), 100 * values.mean(axis=0))
    assert [list(line.get_ydata()) for line in thin] == [
        list(100 * one) for one in values[: seeds * (seeds > 1)]
    ]
    flat = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
    assert flat == pytest.approx([920.0, 50.0])
    told = {"a title", "contract of (10)", "one fee", f"learned ({seeds} seed{'s' * (seeds > 1)})"}
    assert told <= set(words(figure))
    assert "% of the equilibrium payoff" in axes.get_ylabel()


def test_a_curve_with_nothing_to_show_is_drawn():
    nothing = np.full((2, 3), np.nan)
    assert figures.exploitability_curve([0, 0, 0], nothing, {}, title="").axes
    assert figures.exploitability_curve([0, 1, 2], 0 * np.ones((2, 3)), {}, title="").axes


@pytest.mark.parametrize(("stations", "types"), [(1, 1), (2, 3), (6, 8)])
def test_items_of_each_station_stand_beside_the_equilibriums(stations, types):
    generator = np.random.default_rng(1)
    best = (
        np.sort(generator.uniform(0.1, 0.5, (2, stations, types)), axis=2)
        + np.array([0.0, 50.0])[:, None, None]
    )
    learned = best[:, None] + 0.01 * generator.standard_normal((2, 3, stations, types))
    figure = figures.station_items(learned, best, title="a game")
    assert len(figure.axes) == min(stations, 4)
    for station, axes in enumerate(figure.axes):
        dots = [line for line in axes.lines if line.get_marker() == style.LOOKS["learned"].marker]
        for seed, line in enumerate(dots):
            np.testing.assert_array_equal(line.get_data(), learned[:, seed, station])
        (exact,) = [line for line in axes.lines if line.get_marker() == style.LOOKS["optimum"].marker]
        np.testing.assert_array_equal(exact.get_data(), best[:, station])
        numbers = [text for text in axes.texts if isinstance(text, Annotation)]
        for text in numbers:
            np.testing.assert_array_equal(text.xy, best[:, station, int(text.get_text()) - 1])
        assert {"1", str(types)} <= {text.get_text() for text in numbers}
        low, high = axes.get_ylim()
        assert low < min(learned[1].min(), best[1].min())
        assert high > max(learned[1].max(), best[1].max())
    told = "\n".join(words(figure))
    assert "updates per slot" in told
    assert "units of payment" in told
    assert "axis cut" in told
    assert ("stations 1 to 4 of 6" in told) == (stations == 6)


def test_market_shares_show_every_station_those_that_stay_out_and_the_games_own_taste():
    scales = np.geomspace(0.1, 100, 15)
    shares = np.random.default_rng(2).dirichlet(np.ones(4), 15)
    figure = figures.market_shares(scales, shares, own=2.0, title="a game")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    curves = [line for line in axes.lines if len(line.get_xdata()) == 15]
    np.testing.assert_array_equal([line.get_ydata() for line in curves], shares.T)
    np.testing.assert_array_equal(curves[0].get_xdata(), scales)
    assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [2.0]
    assert {"station 1", "station 2", "station 3", "stay out", "μ = 2, as played"} <= set(words(figure))
    assert "units of payment" in axes.get_xlabel()
