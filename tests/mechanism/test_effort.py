"""A quality of data, a device cost and a law of states of one's own, against solvers of plain numbers."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import jaxcontract as jc
from jaxcontract.learning import rollout
from jaxcontract.mechanism.effort import falls
from jaxcontract.mechanism.rounds import put_rounds_last, unchecked
from oracles.differences import central_difference
from oracles.random_states import pick, random_states
from paths import EXPERIMENTS

pytestmark = pytest.mark.usefixtures("compiled_quickly")

EXAMPLE = EXPERIMENTS / "own_metric.py"


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Accuracy(jc.System):
    """1 − exp(−speed f), scaled by the state; power grows with f²."""

    speed: Any = 4.0

    def quality(self, state, frequency):
        return state.max_aoi * (1.0 - jnp.exp(-self.speed * frequency))

    def effort(self, frequency):
        return 20.0 * frequency**2


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Twin(jc.System):
    """The paper's own quality and cost, written down as somebody else's."""

    def quality(self, state, frequency):
        age = self.slot_duration * (frequency + 0.5 / frequency + 0.5)
        latency = self.slot_duration * (1.0 + frequency)
        gains = self.aoi_preference * (state.max_aoi - age)
        return jnp.log(1.0 + gains + (1.0 - self.aoi_preference) * (state.max_latency - latency))

    def effort(self, frequency):
        return frequency


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Convex(jc.System):
    def quality(self, state, frequency):
        return state.max_aoi * frequency**3


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Falling(jc.System):
    def effort(self, frequency):
        return 1.0 - 0.5 * frequency


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Undefined(jc.System):
    def quality(self, state, frequency):
        return state.max_aoi * jnp.log(frequency - 0.5)


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fixed(jc.NetworkDistribution):
    """Always the same shares."""

    def sample(self, key, num_rounds=None):
        states = jc.sample_network(key, jc.NetworkDistribution(), num_rounds)
        return dataclasses.replace(states, type_probs=(0.0 * states.type_probs + 0.25).at[..., 0].add(0.5))


OWN = Accuracy(unit_profit=10.0)


def over(function, *axes):
    """A function of one round over many, as one program: its operations are not compiled one by one."""
    return jax.jit(jax.vmap(function, axes))


solve = jax.jit(jc.optimal_contract)
utility = jax.jit(jc.station_utility)


@pytest.mark.parametrize("num_types", [1, 2, 5, 10])
def test_the_papers_model_as_somebody_elses_has_the_same_optimum(num_types, float64):
    states = random_states(num_types, 50, num_types)
    pair = [kind(min_frequency=0.01) for kind in (Twin, jc.System)]  # a quality of one's own has no W = 0
    for scheme in (jc.optimal_contract, jc.complete_information_contract, jc.pooled_contract):
        twin, paper = (over(scheme, None, 0)(system, states) for system in pair)
        np.testing.assert_allclose(twin.frequency, paper.frequency, rtol=1e-7)
        np.testing.assert_allclose(twin.payment, paper.payment, rtol=1e-7)
        utilities = [over(jc.station_utility, None, 0, 0)(system, states, paper) for system in pair]
        np.testing.assert_allclose(*utilities, rtol=1e-12)


def solve_by_numbers(state):
    """Problem (10) for `OWN` by SLSQP on (f, r), every one of the K² constraints written out."""
    probs, costs = np.asarray(state.type_probs), 1.0 / np.asarray(state.device_types)
    size, age = len(probs), float(state.max_aoi)

    def earned(menu):
        quality = age * (1.0 - np.exp(-4.0 * menu[:size]))
        return 40.0 * probs @ (10.0 * quality - menu[size:])

    def slack(menu):
        utility = menu[size:][None, :] - 20.0 * menu[:size][None, :] ** 2 * costs[:, None]
        own = np.diagonal(utility)
        return np.concatenate([own, (own[:, None] - utility).ravel()])

    start = np.concatenate([np.linspace(0.1, 0.2, size), np.full(size, 1.0)])
    answers = [
        scipy.optimize.minimize(
            lambda menu: -earned(menu),
            start * factor,
            bounds=[(0.01, 1.0)] * size + [(0.0, 50.0)] * size,
            constraints={"type": "ineq", "fun": slack},
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-13},
        )
        for factor in (0.5, 1.0, 2.0)
    ]
    return max(-answer.fun for answer in answers if slack(answer.x).min() > -1e-7)


@pytest.mark.parametrize("num_types", [1, 2, 3])
def test_the_optimum_is_that_of_a_solver_that_knows_all_constraints(num_types, float64):
    states = random_states(num_types + 7, 8, num_types)
    for index in range(8):
        state = pick(states, index)
        best = solve(OWN, state)
        assert bool(jax.jit(jc.certify)(OWN, state, best, tolerance=1e-9).feasible)
        ours = float(utility(OWN, state, best))
        assert ours == pytest.approx(solve_by_numbers(state), rel=1e-6)


def test_devices_bear_the_effort_and_choose_by_it(float64):
    state = pick(random_states(3, 1, 3), 0)
    contract = jc.Contract(frequency=[0.1, 0.2, 0.4], payment=[0.3, 0.5, 0.9])
    expected = [
        [
            float(r) - 20.0 * float(f) ** 2 / float(phi)
            for f, r in zip(contract.frequency, contract.payment, strict=True)
        ]
        for phi in state.device_types
    ]
    utilities = jc.device_utilities(state, contract, OWN)
    np.testing.assert_allclose(utilities, expected, rtol=1e-12)
    certificate = jc.certify(OWN, state, contract)
    np.testing.assert_allclose(certificate.ir_slack, np.diagonal(expected), rtol=1e-12)
    np.testing.assert_allclose(
        certificate.ic_slack, np.diagonal(expected)[:, None] - np.array(expected), rtol=1e-9, atol=1e-12
    )
    best = np.where(np.max(expected, axis=1) < 0, -1, np.argmax(expected, axis=1))
    np.testing.assert_array_equal(jc.chosen_items(state, contract, 0.0, OWN), best)


def test_every_vector_is_a_feasible_contract_and_comes_back(float64):
    states = random_states(4, 200, 4)
    vectors = np.random.default_rng(0).normal(size=(200, 8))
    contracts = over(jc.feasible_contract, None, 0, 0)(OWN, states, vectors)
    certificates = over(jc.certify, None, 0, 0)(OWN, states, contracts)
    assert bool(certificates.feasible.all())
    back = over(jc.feasible_vector, None, 0, 0)(OWN, states, contracts)
    np.testing.assert_allclose(back, vectors, atol=1e-5)
    worth = over(jc.station_utility, None, 0, 0)(OWN, states, contracts)
    best = over(jc.optimal_contract, None, 0)(OWN, states)
    optimum = over(jc.station_utility, None, 0, 0)(OWN, states, best)
    assert bool((worth <= optimum + 1e-9).all())


def test_rounds_side_by_side_are_those_of_a_batch(float64):
    states = random_states(5, 20, 3)
    batch = over(jc.optimal_contract, None, 0)(OWN, states)
    beside = jax.jit(unchecked(jc.optimal_contract))(OWN, put_rounds_last(states))
    np.testing.assert_allclose(beside.frequency.T, batch.frequency, rtol=1e-10)
    np.testing.assert_allclose(beside.payment.T, batch.payment, rtol=1e-10)


def test_derivatives_equal_finite_differences(float64):
    state = pick(random_states(6, 1, 3), 0)

    def best(speed, profit, types):
        system = Accuracy(speed=speed, unit_profit=profit)
        own = dataclasses.replace(state, device_types=types)
        contract = jc.optimal_contract(system, own)
        return jc.station_utility(system, own, contract) + jnp.sum(contract.frequency)

    point = (4.0, 10.0, jnp.asarray(state.device_types))
    best, slopes = jax.jit(best), jax.jit(jax.grad(best, argnums=(0, 1, 2)))(*point)
    for position in (0, 1):

        def along(value, position=position):
            return float(best(*point[:position], value, *point[position + 1 :]))

        expected = central_difference(along, point[position], 1e-5)
        assert float(slopes[position]) == pytest.approx(expected, rel=1e-5)
    for k in range(3):
        expected = central_difference(functools.partial(best, 4.0, 10.0), point[2], 1e-5, jnp.eye(3)[k])
        assert float(slopes[2][k]) == pytest.approx(float(expected), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("system", "said"),
    [
        (Convex(), r"Convex\.quality: must be concave in effort.* it is not at f = "),
        (Falling(), r"Falling\.effort: must be rising in f: no single crossing otherwise"),
        (Undefined(), r"Undefined\.quality: must be a finite number, [^;]*; it is not at f = 0\.0001"),
    ],
)
def test_a_shape_that_cannot_be_screened_is_said_not_answered(system, said):
    state = pick(random_states(8, 1, 2), 0)
    with pytest.raises(ValueError, match=said):
        jc.check_shape(system, state)
    with pytest.raises(ValueError, match=said):
        jc.EnvParams(system=system)


def test_what_is_not_concave_has_no_optimum_even_inside_jit():
    state = pick(random_states(8, 1, 2), 0)
    contract = jax.jit(jc.optimal_contract)(Convex(), state)
    assert not bool(jc.certify(Convex(), state, contract).feasible)
    assert np.isnan(contract.frequency).all()


def test_an_undefined_marginal_value_is_no_falling_one_in_batches_of_any_size():
    """XLA's maxima over a few thousand entries lose NaN on a CPU."""
    for size in (1, 4096):
        marginals = np.tile(np.linspace(2.0, 1.0, 65)[:, None], (1, size))
        marginals[30, ::2] = np.nan
        np.testing.assert_array_equal(jax.jit(falls)(marginals), np.arange(size) % 2 == 1)


def test_a_law_of_ones_own_is_what_the_game_draws():
    env, params = jc.ContractEnv(), jc.EnvParams(distribution=Fixed())
    state, _ = rollout.start(jax.random.key(0), env, params, 16)
    np.testing.assert_allclose(state.network.type_probs, np.tile([[0.75], [0.25]], 16), rtol=1e-6)
    _, state, *_ = rollout.step(jax.random.key(1), env, params, state, jnp.zeros((4, 16)))
    np.testing.assert_allclose(state.network.type_probs, np.tile([[0.75], [0.25]], 16), rtol=1e-6)
    states = jc.unseen_states(params.distribution, 10)
    np.testing.assert_allclose(states.type_probs, np.tile([0.75, 0.25], (10, 1)), rtol=1e-6)


@pytest.mark.long
def test_the_example_is_short_and_learns(capsys, monkeypatch):
    text = EXAMPLE.read_text("utf-8")
    assert len(text.splitlines()) < 40
    monkeypatch.setattr("sys.argv", ["own_metric.py"])
    monkeypatch.setattr("jaxcontract.cli.script.leave_at_once", lambda _: None)  # pytest goes on
    exec(
        compile(text.replace("num_updates=300", "num_updates=60"), "own_metric.py", "exec"),
        {"__name__": "__main__"},
    )
    printed = capsys.readouterr().out
    assert "feasible 1.0000" in printed
    assert float(printed.split()[-1]) < 0.5


def test_simulated_devices_bear_the_effort_of_the_system():
    system, state = Accuracy(unit_profit=10.0), jax.tree.map(lambda leaf: leaf[0], jc.printed_states())
    contract = jc.optimal_contract(system, state)
    market = jc.simulate_market(np.random.default_rng(0), system, state, contract, 20_000)
    assert np.mean(market.station_utility) == pytest.approx(
        float(jc.station_utility(system, state, contract)), rel=5e-3
    )
    rents = np.diagonal(jc.device_utilities(state, contract, system))
    assert np.mean(market.device_utility) == pytest.approx(float(rents @ state.type_probs), rel=2e-2)
