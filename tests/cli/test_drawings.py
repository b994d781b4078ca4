"""Pictures of a game: market shares against first-order conditions solved by SciPy, and all files written."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

import jaxcontract.evaluation.competition_reference as competition_reference
from jaxcontract.cli.train.drawings import Shown, draw, find_pictures
from jaxcontract.config.setting import Setting
from jaxcontract.envs.capacity_config import CapacityGame
from jaxcontract.envs.competition_config import CompetitionGame, CompetitionRules
from jaxcontract.envs.config import ContractGame
from jaxcontract.evaluation.market_shares import equilibrium_shares, spread_taste_scales
from jaxcontract.training.learning_curve import MEASURED, Point
from oracles.paper import quality_of_data

pytestmark = pytest.mark.usefixtures("compiled_quickly")


class QuickReference(competition_reference.CompetitionReference):
    """Without the bounds on deviations of what needs no learning, which take long to compile."""

    def baselines(self, states):
        del states
        names = {"contract of (10)": 9.0, "(10), one fee": 0.5, "equilibrium": 0.0}
        return {name: SimpleNamespace(exploitability=value, reward=1.0) for name, value in names.items()}


@pytest.fixture(scope="module")
def reference():
    patch = pytest.MonkeyPatch()
    patch.setattr(competition_reference, "SOLVED", 4)
    patch.setattr("jaxcontract.evaluation.market_shares.SOLVED", 4)
    game = CompetitionGame(env=CompetitionRules(num_types=1))
    yield QuickReference(*game.make())
    patch.undo()


@pytest.fixture(scope="module")
def solution(reference):
    return reference.test_states(4, 7)


def surplus_by_scipy(system, state, station):
    """max_f β QoD(f) − f/φ of the paper's equations, one type."""
    one = SimpleNamespace(max_aoi=state.max_aoi[station], max_latency=state.max_latency[station])
    phi = float(state.device_types[station, 0])

    def loss(f):
        return float(f / phi - system.unit_profit * quality_of_data(system, one, [f])[0])

    return -minimize_scalar(loss, bounds=(1e-3, 1.0), method="bounded", options={"xatol": 1e-10}).fun


def shares_by_scipy(surplus, taste):
    """Best responses in turn of utilities u ≥ 0 that solve (S − u)(1 − P)/μ = 1, until they repeat."""
    offers = np.zeros(2)

    def slope(utility, own, rival):
        taken = 1.0 / (1.0 + np.exp(-utility / taste) * (1.0 + np.exp(rival / taste)))
        return (own - utility) * (1.0 - taken) / taste - 1.0

    for _ in range(200):
        for i in range(2):
            given = surplus[i], offers[1 - i]
            offers[i] = brentq(slope, 0.0, surplus[i], args=given) if slope(0.0, *given) > 0 else 0.0
    weights = np.exp(np.append(offers, 0.0) / taste)
    return weights / weights.sum()


def test_market_shares_are_those_of_first_order_conditions(reference, solution):
    system, scales = reference.params.system, [0.5, 4.0, 20.0, 300.0]
    at = int(np.argmax(np.ptp(solution.payoffs, axis=1)))
    state = jax.tree.map(lambda leaf: leaf[at], solution.states)
    found = equilibrium_shares(reference.params, state, scales)
    surplus = [surplus_by_scipy(system, state, station) for station in range(2)]
    expected = [shares_by_scipy(surplus, scale) for scale in scales]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert abs(found[0, 0] - found[0, 1]) > 0.1
    np.testing.assert_allclose(found[-1], 1.0 / 3.0, atol=1e-3)


def test_the_scales_of_taste_go_up_in_equal_ratios_around_the_games_own(reference, solution):
    state, contracts = jax.tree.map(lambda leaf: leaf[0], (solution.states, solution.contracts))
    for own in (1e-9, 1.0, 1e6):
        scales = spread_taste_scales(reference.params.replace(taste_scale=own), state, contracts)
        assert len(scales) == 15
        assert scales[0] <= own * (1 + 1e-6)
        assert scales[-1] >= own * (1 - 1e-6)
        np.testing.assert_allclose(scales[1:] / scales[:-1], scales[1] / scales[0])


def made_up(reference, game):
    learner = Setting(game=game).algorithm
    request = SimpleNamespace(
        setting=Setting(game=game),
        learner=learner,
        game=game.describe(),
        preset="default",
        curve_states=4,
        make_reference=lambda: reference,
    )
    row = {"optimum": 100.0, "reward": [90.0, 95.0], "regret": [9.0, 5.0], "feasible": [1.0, 1.0]}
    curve = [{**row, "env_steps": 0}, {**row, "env_steps": 1000, "exploitability": [0.3, 0.2]}]
    act = [jax.tree_util.Partial(lambda rows, at=at: at * rows[:, :2]) for at in (0.0, 0.1)]
    return Shown(request, curve, act)


def test_a_run_draws_what_its_game_has_to_show(reference, tmp_path):
    said = []
    shown = made_up(reference, CompetitionGame(env=CompetitionRules(num_types=1)))
    drawn = draw(shown, tmp_path, said.append)
    assert (drawn, said) == (
        ["learning_curve.png", "exploitability.png", "items.png", "market_shares.png"],
        [],
    )
    for name in drawn:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    # A curve that began before exploitability was noted has a gap there.
    np.testing.assert_array_equal(shown.column("exploitability"), [[np.nan, 0.3], [np.nan, 0.2]])
    of_capacity = find_pictures(made_up(None, CapacityGame()))
    assert list(of_capacity) == ["learning_curve.png", "exploitability.png", "payments.png"]
    contracts = made_up(None, ContractGame())
    del contracts.curve[-1]["exploitability"]
    assert list(find_pictures(contracts)) == ["learning_curve.png"]


def test_a_picture_that_fails_costs_a_line_and_the_others_are_drawn(reference, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    said = []
    monkeypatch.setattr("jaxcontract.evaluation.market_shares.equilibrium_shares", fail)
    shown = made_up(reference, CompetitionGame(env=CompetitionRules(num_types=1)))
    assert "market_shares.png" not in draw(shown, tmp_path, said.append)
    assert len(said) == 1
    assert "market_shares.png could not be drawn (RuntimeError: no room)" in said[0]


def test_a_point_has_the_measures_of_its_own_games_reports():
    numbers = dict.fromkeys(MEASURED, 1.0)
    report = SimpleNamespace(optimum=2.0, exploitability=0.25, measures={"exploitability": ()}, **numbers)
    rest = {"update": 1, "env_steps": 2, "train_seconds": 3.0, "metrics": {}, "policies": []}
    assert Point(reports=[report, report], **rest).as_dict()["exploitability"] == [0.25, 0.25]
    plain = SimpleNamespace(optimum=2.0, **numbers)
    assert set(Point(reports=[plain], **rest).as_dict()) == {
        *("update", "env_steps", "train_seconds", "optimum", "learner"),
        *MEASURED,
    }
