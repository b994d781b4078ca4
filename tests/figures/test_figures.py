"""Figures of made-up data: what they show is what they were given, labelled, with nothing dropped."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation

import jaxcontract.figures as figures
from jaxcontract.evaluation.statistics import bootstrap_interval
from jaxcontract.figures import style

NAN = np.nan
STEPS = np.linspace(0, 1.2e6, 25)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def of_colour(axes, scheme):
    """Lines in a scheme's colour, in the order of drawing."""
    return [line for line in axes.lines if to_hex(line.get_color()) == style.COLOURS[scheme].lower()]


def marked(axes, scheme):
    """Lines of a scheme's markers alone."""
    marker = style.LOOKS[scheme].marker
    return [line for line in axes.lines if line.get_marker() == marker and line.get_linestyle() == "None"]


def words(artist):
    """All text of a figure or of axes."""
    return [text.get_text() for text in artist.findobj(lambda a: hasattr(a, "get_text")) if text.get_text()]


def size(figure, tmp_path):
    style.save(figure, tmp_path / "figure")
    return (tmp_path / "figure.png").stat().st_size


def hollow(line):
    return line.get_markerfacecolor() == "white"


def comparison(generator):
    regret = (1.4 * np.exp(-STEPS / 1e5) + 0.0035) * np.exp(0.2 * generator.standard_normal((6, 25)))
    share = np.clip(STEPS / 6e5, 0.02, 1.0) * np.ones((6, 1))
    printed = 30 * np.exp(0.1 * generator.standard_normal((6, 25)))
    printed[:, :2], printed[0, :10] = NAN, NAN
    reward = share * 2190 - 500 * (1 - share)
    ones = np.ones_like(regret)
    curves = {
        "PPO feasible": figures.Curve(STEPS, 2221.7 - regret, ones, regret, 2210 - regret),
        "PPO printed": figures.Curve(STEPS, reward, share, printed),
        "gradient": figures.Curve(STEPS[:9], 0 * ones[:, :9], 0 * ones[:, :9], NAN * ones[:, :9]),
    }
    figure = figures.learning_comparison(
        curves,
        reward_levels={"optimum": 2221.7, "random": -432.0},
        regret_levels={"pooled": 0.478, "random feasible": NAN},
        title="a title",
    )
    return figure, curves


def test_the_comparison_of_learners_shows_means_bands_and_levels(generator, tmp_path):
    figure, curves = comparison(generator)
    reward, feasible, regret = figure.axes
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "linear", "log"]
    assert "units of payment" in reward.get_ylabel()
    assert "units of payment" in regret.get_ylabel()
    assert "share of feasible" in feasible.get_ylabel()
    assert "rounds" in regret.get_xlabel()
    for axes, part in ((reward, "reward"), (feasible, "feasible"), (regret, "regret")):
        given = getattr(curves["PPO feasible"], part)
        np.testing.assert_allclose(of_colour(axes, "PPO feasible")[0].get_ydata(), given.mean(axis=0))
    np.testing.assert_allclose(
        of_colour(reward, "PPO feasible")[1].get_ydata(), curves["PPO feasible"].sampled.mean(axis=0)
    )
    given = curves["PPO printed"].regret
    shown = of_colour(regret, "PPO printed")[0].get_ydata()
    assert np.isnan(shown[:2]).all()  # no seed has a feasible contract
    np.testing.assert_allclose(shown[2:], np.nanmean(given[:, 2:], axis=0))
    assert of_colour(reward, "optimum")[0].get_ydata()[0] == 2221.7
    assert not of_colour(regret, "random feasible")  # a level that is not finite
    text = words(figure)
    for label in (
        "PPO feasible (6 seeds)",
        "PPO feasible, sampled",
        "gradient: no feasible contract",
        "pooled",
    ):
        assert label in text
    assert 5_000 < size(figure, tmp_path) < 150_000


LEVELS = {
    "reward_lines": {"optimum": 2238.0, "random": -440.0},
    "regret_lines": {"pooled": 0.454, "random feasible": 2.45},
}


def test_a_curve_whose_contracts_are_all_feasible_shows_what_moves(generator):
    regret = (1.4 * np.exp(-STEPS / 1e5) + 0.002) * np.exp(0.1 * generator.standard_normal((5, 25)))
    figure = figures.learning_curve(
        STEPS, 2238 - regret, regret, feasible=np.ones((5, 25)), **LEVELS, title="a title"
    )
    short, below = figure.axes
    assert short.get_ylim()[0] > -10  # 2678 lies between random and the optimum
    np.testing.assert_allclose(of_colour(short, "learned")[5].get_ydata(), -regret.mean(axis=0), atol=1e-9)
    assert [of_colour(short, name)[0].get_ydata()[0] for name in ("optimum", "pooled")] == [0.0, -0.454]
    assert "less" in short.get_ylabel()
    assert "random: 2,678 below the optimum" in short.get_title("left")
    assert "of\nfeasible contracts" in below.get_ylabel()


def test_a_level_of_zero_has_no_place_on_a_logarithmic_axis_and_costs_no_picture(generator, tmp_path):
    # With one type, or with one frequency allowed, pooling is optimal.
    regret = 0.4 * np.exp(0.1 * generator.standard_normal((2, 25)))
    figure = figures.learning_curve(
        STEPS,
        2238 - regret,
        regret,
        feasible=np.ones((2, 25)),
        reward_lines={"optimum": 2238.0},
        regret_lines={"pooled": 0.0, "random feasible": 2.45},
        title="a title",
    )
    assert size(figure, tmp_path) > 5_000
    short, below = figure.axes
    assert "pooled" in {text.get_text() for text in short.texts}
    named = {text.get_text() for text in below.texts}
    assert "random feasible" in named
    assert "pooled" not in named
    assert any("zero or below" in text for text in named)


def test_a_curve_with_infeasible_contracts_has_a_panel_for_their_share(generator):
    regret = 20 * np.exp(0.1 * generator.standard_normal((5, 25)))
    share = np.clip(STEPS / 6e5, 0.02, 1.0) * np.ones((5, 1))
    regret[3], share[3], regret[0, 7] = NAN, 0.0, 0.0
    reward = share * 2200 - 500 * (1 - share)
    figure = figures.learning_curve(STEPS, reward, regret, feasible=share, **LEVELS, title="a title")
    above, feasible, _ = figure.axes
    np.testing.assert_allclose(of_colour(above, "learned")[5].get_ydata(), reward.mean(axis=0))
    np.testing.assert_allclose(of_colour(feasible, "learned")[5].get_ydata(), share.mean(axis=0))
    assert feasible.get_ylabel() == "share of feasible contracts"
    text = words(figure)
    assert "learned (5 seeds)" in text
    assert "learned (4 of 5 seeds)" in text  # one has no feasible contract, and so no regret
    assert any("zero or below" in line for line in text)
    nothing = figures.learning_curve(
        STEPS, reward[:1], NAN * regret[:1], feasible=0 * share[:1], **LEVELS, title="a title"
    )
    assert "learned: no feasible contract" in words(nothing)


def test_the_band_is_the_bootstrap_interval_of_the_seeds_that_have_a_value(generator):
    values = generator.exponential(size=(5, 3))
    values[0, 1], values[1:, 2] = NAN, np.inf
    mean, low, high = style.over_seeds(values)
    np.testing.assert_allclose(mean, [values[:, 0].mean(), values[1:, 1].mean(), values[0, 2]])
    assert (low[0], high[0]) == bootstrap_interval(values[:, 0])
    assert (low[1], high[1]) == bootstrap_interval(values[1:, 1])
    assert np.isnan([low[2], high[2]]).all()
    axes = Figure().subplots()
    style.band(axes, np.arange(3), values, "learned")
    vertices = axes.collections[0].get_paths()[0].vertices
    for end in (low[0], high[0], low[1], high[1]):
        assert np.isclose(vertices[:, 1], end).any()


def test_sensitivity_shows_every_seed_also_those_without_a_value(generator, tmp_path):
    rates = np.geomspace(1e-5, 1e-2, 4)
    good, bad = generator.exponential(size=(2, 4, 5))
    bad[3, :2], bad[0] = NAN, np.inf
    panels = [
        figures.Panel(
            "defaults", "learning rate", "", rates, None, 1e-3, {"PPO feasible": good}, "regret", True, True
        ),
        figures.Panel(
            "defaults",
            "batch",
            "rounds",
            [1, 2, 3],
            None,
            None,
            {"PPO feasible": good[:3]},
            "regret",
            False,
            True,
        ),
        figures.Panel(
            "printed",
            "target",
            "",
            [0, 1, 2, 3],
            list("abcd"),
            1,
            {"PPO printed": bad, "gradient": good},
            "loss",
        ),
    ]
    figure = figures.sensitivity(panels)
    first, second, third, empty = figure.axes
    assert not empty.axison
    assert (first.get_xscale(), second.get_xscale(), third.get_xscale()) == ("log", "linear", "linear")
    assert first.get_shared_y_axes().joined(first, second)
    assert (first.get_ylabel(), third.get_ylabel()) == ("regret", "loss")
    assert (first.get_xlabel(), second.get_xlabel()) == ("learning rate", "batch (rounds)")
    np.testing.assert_allclose(of_colour(first, "PPO feasible")[0].get_ydata(), good.mean(axis=1))
    seeds = np.array([line.get_ydata() for line in marked(first, "PPO feasible")])
    np.testing.assert_allclose(seeds, good.T)
    assert any(np.allclose(line.get_xdata(), 1e-3) for line in first.lines)  # the default
    lost = [line for line in marked(third, "PPO printed") if hollow(line)]
    assert [float(line.get_xdata()[0]) for line in lost] == [0, 3]
    assert all(line.get_ydata()[0] == 1.0 for line in lost)  # the top edge
    text = words(figure)
    assert {"5/5", "2/5", "a", "d", "default value"} <= set(text)
    assert any("seeds with no value" in line for line in text)
    assert size(figure, tmp_path) < 150_000


def test_items_stand_where_they_are_hollow_where_not_feasible(tmp_path):
    frequency = {
        "optimum": np.array([[0.177, 0.381], [0.173, 0.380], [0.133, 0.390]]),
        "PPO printed": np.array([[0.9, 0.3], [0.2, 0.5], [0.2, 0.4]]),
    }
    payment = {
        "optimum": np.array([[0.0885, 0.1056], [0.0864, 0.1036], [0.0664, 0.0861]]),
        "PPO printed": np.array([[0.8, 0.9], [0.2, 0.21], [0.2, 0.21]]),
    }
    feasible = {"optimum": [True] * 3, "PPO printed": [False, True, True]}
    types = np.array([[2.0, 12.0], [2.0, 12.0], [2.0, 13.0]])
    figure = figures.items(frequency, payment, feasible, types, ["state 1", "state 2", "state 3"])
    assert len(figure.axes) == 3
    assert "updates per slot" in figure.axes[0].get_xlabel()
    assert "units of payment" in figure.axes[0].get_ylabel()
    for state, axes in enumerate(figure.axes):
        for scheme in frequency:
            (line,) = marked(axes, scheme)
            np.testing.assert_allclose(line.get_xdata(), frequency[scheme][state])
            np.testing.assert_allclose(line.get_ydata(), payment[scheme][state])
            assert hollow(line) != feasible[scheme][state]
        individual, indifferent = (line for line in axes.lines if line.get_color() == style.GREY)
        x, y = np.array(individual.get_data())
        np.testing.assert_allclose(y, x / types[state, 0])
        x, y = np.array(indifferent.get_data())
        own = payment["optimum"][state, 1] - frequency["optimum"][state, 1] / types[state, 1]
        np.testing.assert_allclose(y - x / types[state, 1], own)
        assert {"1", "2", "IC of type 2"} <= set(words(axes))
    assert "not feasible" in words(figure)
    assert size(figure, tmp_path) < 150_000


def overlapping(axes):
    """Pairs of texts in a panel, written beside its items, that lie on each other."""
    boxes = {
        text: text.get_window_extent()
        for text in axes.texts
        if isinstance(text, Annotation) and text.get_text()
    }
    return [(a, b) for a, b in itertools.combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]


def test_numbers_of_items_keep_apart_and_lie_nearest_to_their_own():
    frequency = {
        "optimum": np.array([[0.177, 0.381], [0.173, 0.38], [0.1328, 0.3895]]),
        "PPO printed": np.array([[0.0185, 0.979], [0.018, 0.977], [0.018, 0.985]]),
    }
    payment = {
        "optimum": np.array([[0.0885, 0.1056], [0.0864, 0.1036], [0.0664, 0.0861]]),
        "PPO printed": np.array([[0.0912, 0.2815], [0.0902, 0.283], [0.0784, 0.2587]]),
    }
    feasible = {scheme: [True] * 3 for scheme in frequency}
    types = np.array([[2.0, 12.0], [2.0, 12.0], [2.0, 13.0]])
    figure = figures.items(frequency, payment, feasible, types, ["state 1", "state 2", "state 3"])
    figure.draw_without_rendering()
    for state, axes in enumerate(figure.axes):
        assert not overlapping(axes)
        numbers = [text for text in axes.texts if text.get_text() in ("1", "2")]
        assert len(numbers) == 4
        items = np.concatenate(
            [np.stack([frequency[s][state], payment[s][state]], axis=1) for s in frequency]
        )
        middles = [np.mean(text.get_window_extent().get_points(), axis=0) for text in numbers]
        apart = np.linalg.norm(np.subtract(middles[0], middles[2])) * 72 / figure.dpi
        assert apart > 18  # points, between the two that say 1
        for number, middle in enumerate(middles):
            assert np.argmin(np.linalg.norm(axes.transData.transform(items) - middle, axis=1)) == number


def test_the_incentive_check_shows_each_curve_its_star_and_the_least_slack(tmp_path):
    frequency, types = np.linspace(0.06, 0.4, 8), np.linspace(1.8, 14, 8)
    payment = np.cumsum(np.append(frequency[0], np.diff(frequency)) / types)
    good = payment - frequency[:, None].T / types[:, None]
    bad = good.copy()
    bad[2, 5] = 0.5
    figure = figures.incentive_check(
        [("exact", good, "optimum"), ("learned", bad, "PPO printed"), ("two", good[:2, :2], "optimum")]
    )
    first, second, third, empty = figure.axes
    assert not empty.axison
    assert "units of payment" in first.get_ylabel()
    assert "item" in third.get_xlabel()
    curves = [line for line in first.lines if line.get_marker() == "."]
    np.testing.assert_allclose([line.get_ydata() for line in curves], good)
    (stars,) = (line for line in first.lines if line.get_marker() == "*")
    np.testing.assert_allclose(stars.get_ydata(), np.diagonal(good))
    assert "least slack: IR 0, IC 0" in words(first)
    assert any("IC −0.4" in text for text in words(second))
    assert {"type 1", "type 8"} <= set(words(first))
    assert size(figure, tmp_path) < 150_000


def test_contracts_by_type_are_a_row_for_each_state(generator, tmp_path):
    names = ("complete information", "optimum", "PPO feasible")
    rows = [
        (f"state {n}", {name: figures.TypeLines(*generator.uniform(size=(3, 8))) for name in names})
        for n in range(3)
    ]
    figure = figures.by_type(rows)
    assert len(figure.axes) == 9
    for line, (title, contracts) in zip(np.reshape(figure.axes, (3, 3)), rows, strict=True):
        assert line[0].get_title("left") == title
        for axes, part in zip(line, figures.TypeLines._fields, strict=True):
            for name in names:
                (curve,) = of_colour(axes, name)
                np.testing.assert_array_equal(curve.get_xdata(), np.arange(1, 9))
                np.testing.assert_allclose(curve.get_ydata(), getattr(contracts[name], part))
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert "updates per slot" in titles[0]
    assert "units of payment" in titles[1]
    assert "units of payment" in titles[2]
    assert set(names) <= set(words(figure))
    assert size(figure, tmp_path) < 150_000


def test_the_preference_figure_marks_the_peak_of_the_mean(generator, tmp_path):
    alpha, few = np.linspace(0.01, 1, 34), np.linspace(0.05, 1, 8)
    exact = figures.PreferenceCurve(
        alpha, (2225 - 20 * (alpha - 0.4) ** 2)[None], (0.004 + 0.01 * alpha)[None]
    )
    station = 2225 - generator.exponential(size=(5, 8))
    station[1, 3] = NAN
    learned = {"PPO feasible": figures.PreferenceCurve(few, station, generator.uniform(0, 0.02, size=(5, 8)))}
    states = {"state 1": (alpha, 2500 + 100 * alpha), "bent": (alpha, 2500 - (alpha - 0.5) ** 2)}
    figure = figures.preference(exact, learned, (0.4, 0.37, 0.44), states)
    mean, device, single = figure.axes
    assert "units of payment" in mean.get_ylabel()
    assert "units of payment" in device.get_ylabel()
    assert "%" in single.get_ylabel()
    assert "α" in single.get_xlabel()
    np.testing.assert_allclose(of_colour(mean, "optimum")[0].get_ydata(), exact.station_utility[0])
    np.testing.assert_allclose(of_colour(device, "optimum")[0].get_ydata(), exact.device_utility[0])
    np.testing.assert_allclose(of_colour(mean, "PPO feasible")[0].get_ydata(), np.nanmean(station, axis=0))
    assert "1/5" in words(mean)
    assert "axis cut" in mean.get_ylabel()
    assert "axis cut" not in device.get_ylabel() + single.get_ylabel()
    np.testing.assert_allclose(
        single.lines[0].get_ydata(), 4 / 1.0004 * (alpha - 0.01) * 2500 / 2500, rtol=1e-3
    )
    assert "Single network states: 1 of 2 have a peak inside" in words(single)
    assert {"state 1", "bent"} <= set(words(single))
    assert any("α = 0.400" in text and "0.370 to 0.440" in text for text in words(mean))
    assert size(figure, tmp_path) < 150_000


def test_schemes_are_sorted_and_nothing_is_left_out(tmp_path):
    row = figures.SchemeRow
    rows = [
        row("random", 21.6, 20, 23, 0.02515),
        row("optimum", 0.0, 0.0, 0.0, 1.0),
        row("PPO printed", NAN, NAN, NAN, 0.0),
        row("PPO feasible", 0.0036, 0.0033, 0.0039, 1.0),
        row("complete information", -0.7, -0.7, -0.7, 0.99999),
    ]
    figure = figures.schemes([figures.SchemePanel(f"K = {k}", rows) for k in (2, 8, 16)])
    axes, _, _, empty = figure.axes
    assert not empty.axison
    assert axes.get_xscale() == "log"
    assert "units of payment" in axes.get_xlabel()
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["complete information", "optimum", "PPO feasible", "random", "PPO printed"]
    (good,), (infeasible,) = marked(axes, "PPO feasible"), marked(axes, "random")
    assert (good.get_xdata()[0], good.get_ydata()[0], hollow(good)) == (0.0036, 2, False)
    assert (infeasible.get_xdata()[0], infeasible.get_ydata()[0], hollow(infeasible)) == (21.6, 3, True)
    np.testing.assert_allclose(of_colour(axes, "PPO feasible")[0].get_xdata(), (0.0033, 0.0039))
    text = words(axes)
    for shown in (
        "0 (the solution)",
        "−0.7 (upper bound)",
        "no feasible contract",
        "2.51 %",
        "0 %",
        "99.99 %",
    ):
        assert shown in text
    assert size(figure, tmp_path) < 150_000


def test_sweeps_have_a_column_for_each_parameter(generator, tmp_path):
    def column(name, unit, values, scale):
        optimum = scale * np.ones(len(values))
        loss = generator.exponential(size=(5, len(values)))
        loss[0, 0] = NAN
        losses = {"PPO feasible": loss, "pooled": 0.5 * optimum, "complete information": 0.7 * optimum}
        return figures.Sweep(
            name, unit, values, True, {"optimum": optimum, "PPO feasible": optimum - 0.01 * loss}, losses
        )

    columns = [
        column("types K", "", np.array([2, 4, 8]), 2200.0),
        column("slot duration t", "ms", np.array([1, 10, 100]), np.array([1.0, 10.0, 100.0])),
    ]
    figure = figures.sweeps(columns)
    grid = np.reshape(figure.axes, (2, 2))
    assert [axes.get_xscale() for axes in grid.flat] == ["log"] * 4
    assert [axes.get_yscale() for axes in grid.flat] == ["linear", "log", "log", "log"]
    assert "units of payment" in grid[0, 0].get_ylabel()
    assert "units of payment" in grid[1, 0].get_ylabel()
    assert grid[1, 1].get_xlabel() == "slot duration t\n(ms)"
    for (above, below), sweep in zip(grid.T, columns, strict=True):
        np.testing.assert_allclose(of_colour(above, "optimum")[0].get_ydata(), sweep.utility["optimum"])
        learned = next(line for line in marked(above, "PPO feasible") if not hollow(line))
        np.testing.assert_allclose(learned.get_ydata(), np.nanmean(sweep.utility["PPO feasible"], axis=0))
        np.testing.assert_allclose(
            of_colour(below, "PPO feasible")[0].get_ydata(), np.nanmean(sweep.losses["PPO feasible"], axis=0)
        )
        for scheme in ("pooled", "complete information"):
            np.testing.assert_allclose(of_colour(below, scheme)[0].get_ydata(), sweep.losses[scheme])
        assert "1/5" in words(below)
    keys = {"optimum", "PPO feasible", "pooled", "complete information", "axis cut: does not begin at 0"}
    assert keys <= set(words(figure))
    assert size(figure, tmp_path) < 150_000


def test_the_market_is_held_against_the_closed_forms(generator, tmp_path):
    cycles = np.array([2, 3, 5, 10, 30, 100])
    age, latency = 1e-3 * (1 / cycles + cycles / 2 + 0.5), 1e-3 * (1 + 1 / cycles)
    error = 1e-3 * age
    rounds = {f"state {n}": (2547 + generator.standard_normal(4000), 2547.0) for n in (1, 2, 3)}
    figure = figures.market(
        cycles, age + 1.5 * error, error, latency - error, error, slot_duration=1e-3, rounds=rounds
    )
    means, errors, *panels = figure.axes
    assert len(panels) == 3
    assert (means.get_xscale(), means.get_yscale(), errors.get_yscale()) == ("log", "log", "linear")
    assert means.get_ylabel() == "mean (ms)"
    assert "slots" in errors.get_xlabel()
    assert "units of payment" in panels[-1].get_xlabel()
    curve = means.lines[0]
    np.testing.assert_allclose(np.interp(cycles, *curve.get_data()), 1e3 * age, rtol=1e-3)
    np.testing.assert_allclose(errors.lines[0].get_ydata(), 1.5)
    np.testing.assert_allclose(errors.lines[1].get_ydata(), -1.0)
    for axes, (realised, expected) in zip(panels, rounds.values(), strict=True):
        assert sum(patch.get_height() for patch in axes.patches) == 4000
        diamond = next(line for line in axes.lines if line.get_marker() == "D")
        np.testing.assert_allclose(float(diamond.get_xdata()[0]), realised.mean() - expected)
    assert size(figure, tmp_path) < 150_000


def test_every_scheme_looks_different_in_colour_and_in_grey():
    looks = {scheme: look for scheme, look in style.LOOKS.items() if scheme != "learned"}
    assert style.LOOKS["learned"] == style.LOOKS["PPO feasible"]
    assert len({look.marker for look in looks.values()}) == len(looks)
    assert len({(look.colour, str(look.line)) for look in looks.values()}) == len(looks)
    for scheme in looks:
        assert style._contrast(style.to_rgb(style.ink(scheme))) >= 4.5


@pytest.mark.parametrize("heights", [[0.5, 0.5, 0.5], [0.0, 0.01, 1.0], [1.0, 0.99, 0.2], [0.3], []])
def test_labels_keep_apart_in_the_order_of_their_lines(heights):
    places = style.spread(heights, 0.1)
    order = np.argsort(heights, kind="stable")
    assert (np.diff(places[order]) >= 0.1 - 1e-12).all()
    assert ((places >= -1e-12) & (places <= 1 + 1e-12)).all()


def test_labels_with_room_stay_where_they_are():
    np.testing.assert_allclose(style.spread([0.9, 0.0, 0.4], 0.1), [0.9, 0.0, 0.4])
    np.testing.assert_allclose(style.spread([0.5, 0.5], 0.1), [0.45, 0.55])


def test_labels_without_room_share_what_there_is():
    np.testing.assert_allclose(style.spread(np.zeros(5), 0.5), np.linspace(0, 1, 5))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01, "0.01"),
        (-0.7, "−0.7"),
        (2048, "2048"),
        (1e-4, "10⁻⁴"),
        (3e-5, "3·10⁻⁵"),
        (4.28e-4, "4.3·10⁻⁴"),
        (-9.99e-5, "−10⁻⁴"),
        (2e6, "2·10⁶"),
    ],
)
def test_numbers_are_written_plainly(value, text):
    assert style.plain(value) == text


def test_a_figure_is_saved_in_each_format(tmp_path):
    figure = figures.schemes(
        [figures.SchemePanel("K = 2", [figures.SchemeRow("pooled", 0.5, 0.4, 0.6, 1.0)])]
    )
    style.save(figure, tmp_path / "figure", formats=("png", "svg"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "figure.svg"]


def test_designs_show_every_item_and_choice():
    types = np.array([2.0, 4.0, 12.0])
    best = np.array([0.13, 0.2, 0.38]), np.array([0.065, 0.08, 0.1])
    first = np.array([0.19, 0.26, 0.38]), np.array([0.095, 0.065, 0.03])
    rows = [
        figures.Design(name, types, {"whole cycles": best, "complete information": first}) for name in "ab"
    ]
    figure = figures.designs(rows)
    axes = figure.axes
    assert len(axes) == 4
    for left, right in (axes[:2], axes[2:]):
        for scheme, pair in (("whole cycles", best), ("complete information", first)):
            (line,) = marked(left, scheme)
            np.testing.assert_array_equal(line.get_data(), pair)
        curves = [line for line in right.lines if len(line.get_xdata()) == 3][:3]
        for curve, phi in zip(curves, types, strict=True):
            np.testing.assert_allclose(curve.get_ydata(), best[1] - best[0] / phi)
    assert {"a", "b"} <= set(words(figure))


def test_each_line_and_each_row_of_designs_is_named():
    types = np.array([2.0, 4.0, 6.0, 9.0, 12.0])
    best = np.array([0.132, 0.21, 0.262, 0.33, 0.382]), np.array([0.066, 0.0855, 0.0942, 0.1018, 0.1061])
    first = np.array([0.19, 0.256, 0.3, 0.348, 0.382]), np.array([0.095, 0.064, 0.05, 0.0387, 0.0318])
    rows = [figures.Design(name, types, {"optimum": best, "complete information": first}) for name in "ab"]
    figure = figures.designs(rows)
    figure.draw_without_rendering()
    for left in figure.axes[::2]:
        text = [one.get_text() for one in left.texts]
        assert {"IR 1", "IC 2", "IC 3", "IC 4", "IC 5", "complete information"} <= set(text)
        assert [text.count(number) for number in "12345"] == [2] * 5  # an item and a star of each type
        assert not overlapping(left)


def test_items_that_are_nowhere_are_left_out_and_the_rest_is_drawn(tmp_path):
    types = np.array([2.0, 12.0])
    best, learned = (
        (np.array([0.2, 0.4]), np.array([0.1, 0.12])),
        (np.array([0.3, NAN]), np.array([0.1, NAN])),
    )
    rows = [figures.Design("a", types, {"learned": learned, "optimum": best})]
    text = words(figures.designs(rows))
    assert text.count("1") >= 2
    assert "optimum" in text
    assert "IC of type 2" not in text
    nothing = np.zeros(2), np.zeros(2)
    empty = [figures.Design("b", types, {"learned": nothing, "optimum": (NAN * types, NAN * types)})]
    assert size(figures.designs(empty), tmp_path) > 5000


@pytest.mark.parametrize("size", [1, 2, 40])
def test_an_axis_of_items_names_none_that_there_is_not(size):
    types, items = np.linspace(2, 12, size), np.linspace(0.1, 0.3, size)
    right = figures.designs([figures.Design("a", types, {"optimum": (items, items)})]).axes[1]
    ticks = right.get_xticks()
    assert len(ticks) >= min(size, 5)
    assert all(1 <= tick <= size and tick == round(tick) for tick in ticks)


def test_one_type_has_no_incentive_constraint_to_show():
    one = np.array([0.256]), np.array([0.064])
    rows = [figures.Design("a", [4.0], {"optimum": one, "complete information": one})]
    text = words(figures.designs(rows))
    assert "least slack: IR 0" in text
    assert {"1", "complete information"} <= set(text)


def test_grouping_shows_all_devices_and_both_curves():
    costs, counts = np.array([0.1, 0.2, 0.4]), np.array([5, 3, 2])
    grouped = figures.GroupedCosts(costs, counts, [0.2, 0.4], [0.2, 0.4])
    resolution = figures.Resolution([1, 2, 3], [10.0, 12.0, 13.0], [14.0, 13.5, 13.2], 13.1)
    left, right = figures.grouping(grouped, resolution).axes
    assert sum(bar.get_height() for bar in left.patches) == 10
    np.testing.assert_array_equal(marked(left, "optimum")[0].get_xdata(), [0.2, 0.4])
    drawn = [list(line.get_ydata()) for line in right.lines]
    assert drawn[:3] == [[14.0, 13.5, 13.2], [10.0, 12.0, 13.0], [13.1, 13.1]]
    assert {"observed devices", "as modelled", "the best of all menus"} <= set(words(right))
    gains = [[0.0, 1.5, np.nan], [0.0, 1.2, np.nan], [0.0, 1.9, np.nan]]
    right = figures.grouping(grouped, resolution._replace(held_out=gains)).axes[1]
    (bars,) = right.collections
    np.testing.assert_allclose(bars.get_segments(), [[[2, 11.2], [2, 11.9]]])  # from where one type stands
    assert "held-out gain, 90 %" in words(right)


def test_densities_of_payments_are_what_was_given():
    edges = np.linspace(0, 1, 6)
    exact, learned = np.array([1.0, 2.0, 2.0, 0.0, 0.0]), np.array([[0.0, 1, 3, 1, 0], [0.0, 2, 1, 2, 0]])
    figure = figures.payment_density(edges, learned, exact, title="L/M = 0.75")
    (axes,) = figure.axes
    *seeds, mean, known = (patch.get_data() for patch in axes.patches)
    np.testing.assert_array_equal([one.values for one in seeds], learned)
    np.testing.assert_allclose(mean.values, learned.mean(axis=0))
    np.testing.assert_array_equal(known.values, exact)
    np.testing.assert_allclose(known.edges, edges)
    assert {"L/M = 0.75", "learned (2 seeds)", "equilibrium", "density"} <= set(words(figure))
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 3
