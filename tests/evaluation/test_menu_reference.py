"""Policies of two stations and two device types: laws against draws, the best of many menus."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import STRESS
from jaxcontract.envs.capacity_config import CapacityGame, CapacityRules
from jaxcontract.evaluation import menu_laws
from jaxcontract.evaluation.menu_payoffs import Stakes, best_reply_to_menu, leave, secured_payoff
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.learning.policies.mixture import Mixture
from jaxcontract.mechanism.menu_game import list_menus, menu_payoffs, solve_menu_game
from oracles import mixed_policies as laws

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SMALL = jc.PPOConfig(num_updates=1, num_envs=16, minibatches=1)
COUNT = 100_000
CAPACITIES = 0.6, 0.75, 0.9


def reference_of(capacity, system=STRESS):
    game = CapacityGame(problem=system, env=CapacityRules(capacity=capacity, num_types=2))
    return game.make_reference(*game.make())


@pytest.fixture(scope="module")
def reference():
    return reference_of(0.75)


@pytest.fixture(scope="module")
def states(reference):
    return reference.test_states(3, 7)


def make_policy(reference, head):
    config = SMALL.replace(policy_head=head)
    learner = jax.jit(jc.train, static_argnames=("env", "config"))(
        jax.random.key(0), reference.env, reference.params, config
    )[0]
    return learner.policy


def queues(reference, state):
    """What menus x [N, 2] leave, and what each earns against a rival's: a queue's arithmetic."""
    capacity, system = float(reference.params.capacity), reference.params.system
    cost = 1 / np.asarray(state.device_types, float)
    menu = jc.complete_information_contract(system, state)
    frequency = np.asarray(menu.frequency, float)
    quality = float(system.unit_profit) * np.asarray(jc.quality_of_data(system, state, frequency), float)
    surplus, probs = quality - cost * frequency, np.asarray(state.type_probs, float)

    def rents(x):
        first = surplus[0] * x[:, 0]
        step = (1 - x[:, 1]) * frequency[0] + x[:, 1] * frequency[1]
        return np.stack([first, first + (cost[0] - cost[1]) * step], axis=1)

    def earn(own, rival):
        own, rival = np.broadcast_arrays(own, rival)
        applies = np.where(own == rival, 0.5, own > rival)
        served, served_there = (
            queue * np.minimum(1, capacity / np.maximum(queue @ probs, capacity))[:, None]
            for queue in (applies, 1 - applies)
        )
        left_over = 1 - applies - served_there
        return 40 * ((served + left_over) * (surplus - own)) @ probs

    return rents, earn


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(Gaussian(), marks=pytest.mark.long),
        Mixture(experts=3),
        pytest.param(jc.Diffusion(denoising_steps=2), marks=pytest.mark.long),
    ],
)
def test_a_policy_loses_what_its_draws_lose_to_the_best_of_many_menus(reference, states, head):
    policy = make_policy(reference, head)
    report = reference.evaluate(policy, states)
    alone = reference.evaluate(policy, reference.test_states(1, 7))  # the first of them
    state = jax.tree.map(lambda leaf: leaf[0], states.states)
    rents, earn = queues(reference, state)
    drawn = rents(reference.draw(policy, states, COUNT))
    tried = np.stack(
        [part.ravel() for part in np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 1, 5))], axis=1
    )
    earned = np.mean(earn(drawn, drawn[::-1]))
    best = max(np.mean(earn(own[None], drawn)) for own in rents(tried))
    np.testing.assert_allclose(alone.utility, earned, rtol=0.004)
    np.testing.assert_allclose(alone.exploitability, (best - earned) / states.payoffs[0], atol=0.01)
    assert alone.rent == pytest.approx(drawn[:, 0].mean() / states.stakes.surplus[0, 0], abs=0.003)
    assert report.num_states == 3
    assert report.mode_exploitability > report.exploitability


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("menu", [(0.0, 0.0), (0.4, 0.0), (0.5, 0.7), (0.9, 1.0)])
def test_the_best_reply_to_one_menu_is_that_of_a_fine_grid(capacity, menu):
    reference = reference_of(capacity)
    states = reference.test_states(2, 3)
    report = reference.judge(np.tile(menu, (2, 1)), states)
    grid = np.stack(
        [part.ravel() for part in np.meshgrid(np.linspace(0, 1, 401), np.linspace(0, 1, 41))], axis=1
    )
    gained, earned = [], []
    for row in range(2):
        rents, earn = queues(reference, jax.tree.map(lambda leaf, row=row: leaf[row], states.states))
        posted = rents(np.array([menu]))
        earned.append(earn(posted, posted)[0])
        gained.append(earn(rents(grid), posted).max() - earned[-1])
    np.testing.assert_allclose(report.utility, np.mean(earned), rtol=1e-5)
    # A menu just above costs a step of the grid more.
    assert report.regret >= np.mean(gained) - 1e-5
    np.testing.assert_allclose(report.regret, np.mean(gained), atol=0.05)
    np.testing.assert_allclose(report.worst_regret, np.max(gained), atol=0.05)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_a_station_secures_what_its_reference_says_and_an_equilibrium_pays_little_more(capacity):
    reference = reference_of(capacity)
    states = reference.test_states(1, 5)
    state = jax.tree.map(lambda leaf: leaf[0], states.states)
    payoffs = menu_payoffs(STRESS, state, list_menus(STRESS, state, 21, 3), capacity)
    # Against all menus with a rent above 0 the cheapest earns the same.
    np.testing.assert_allclose(payoffs[0, 3:], states.payoffs[0], rtol=1e-5)
    payoff = solve_menu_game(payoffs).payoff
    assert 1.0 - 1e-5 <= payoff / states.payoffs[0] < 1.1


def stakes_of_two(surplus=(0.4, 0.5), ends=(0.08, 0.16), probs=(0.6, 0.4)):
    return Stakes(*(jnp.asarray(part) for part in (surplus, ends, probs)))


def test_a_law_is_one_and_grows():
    with jax.enable_x64(True):
        stakes = stakes_of_two()
        experts = menu_laws.Experts(
            jnp.array([0.3, 0.7]), jnp.array([[0.0, 1.0], [1.0, -2.0]]), jnp.full((2, 2), 0.5)
        )
        first = stakes.surplus[0] * jnp.linspace(0.0, 1.0, 101)
        law = menu_laws.sum_density(experts, first, menu_laws.list_seconds(first, stakes), stakes)
        draws = np.random.default_rng(0)
        which = draws.choice(2, COUNT, p=[0.3, 0.7])
        raw = np.asarray(experts.means)[which] + 0.5 * draws.normal(size=(COUNT, 2))
        left = np.asarray(leave(1 / (1 + np.exp(-raw.T)), stakes))
        for i, j in [(20, 40), (50, 130), (80, 101), (99, 190)]:
            seen = float(np.mean((left[0] <= law.first[i]) & (left[1] <= law.second[j])))
            assert float(law.chances[i, j]) == pytest.approx(seen, abs=0.005)
        assert float(law.chances[-1, -1]) == pytest.approx(1.0, abs=1e-9)
        assert np.all(np.diff(law.chances, axis=0) >= -1e-12)
        assert np.all(np.diff(law.chances, axis=1) >= -1e-12)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_where_all_are_of_the_first_type_a_law_loses_what_it_loses_with_one(capacity):
    parameters = (0.4, -0.6, -0.7, 0.5, -0.3, -0.8)  # logits, means and log deviations of two sigmoids
    with jax.enable_x64(True):
        stakes = stakes_of_two(probs=(1.0, 0.0))
        logits, means, log_std = (np.reshape(part, 2) for part in np.split(np.array(parameters), 3))
        columns = jnp.stack([jnp.asarray(means), jnp.array([2.0, 0.0])], axis=1)
        experts = menu_laws.Experts(
            jax.nn.softmax(jnp.asarray(logits)), columns, jnp.exp(jnp.stack([log_std] * 2, axis=1))
        )
        first = stakes.surplus[0] * jax.nn.sigmoid(jnp.linspace(-8.0, 8.0, 401)).at[0].set(0.0).at[-1].set(
            1.0
        )
        law = menu_laws.sum_density(experts, first, menu_laws.list_seconds(first, stakes), stakes)
        earned, best = menu_laws.menu_law_payoffs(law, stakes, capacity)
        found = float((best - earned) / secured_payoff(stakes, capacity))
    assert found == pytest.approx(laws.gain(laws.sigmoids(parameters), capacity), abs=5e-4)


@pytest.mark.long
def test_a_finer_look_at_a_law_finds_the_same(monkeypatch, reference, states):
    policy = make_policy(reference, Mixture(experts=3, initial_std=0.1))
    coarse = reference.evaluate(policy, states)
    with jax.enable_x64(True):
        jax.clear_caches()
        for name in ("EVEN", "WHERE_IT_LIES", "SHARES"):
            monkeypatch.setattr(menu_laws, name, 2 * getattr(menu_laws, name))
        fine = reference.evaluate(policy, states)
    jax.clear_caches()
    assert fine.exploitability == pytest.approx(coarse.exploitability, abs=0.004)
    assert fine.utility == pytest.approx(coarse.utility, rel=0.002)


def test_a_function_is_one_menu(reference, states):
    report = reference.evaluate(lambda _: jnp.full((2,), 0.5), states)
    assert report.exploitability == report.mode_exploitability
    assert report.feasible == 1.0
    beyond = reference.evaluate(lambda _: jnp.array([-0.1, 0.0]), states)
    assert beyond.feasible == 0.0
    assert beyond.max_violation > 0
    best = reference.baselines(states)["best single menu"]
    assert 0.2 < best.exploitability < report.exploitability
    assert reference.remarks(best) == []
    single = best_reply_to_menu(jnp.array([0.0, 0.08]), stakes_of_two(), 0.75)
    secured = secured_payoff(stakes_of_two(), 0.75)
    np.testing.assert_allclose(single[0], 2 * secured, rtol=1e-6)  # half of all at the cheapest menu
    np.testing.assert_allclose(single[1], 3 * secured, rtol=1e-6)  # just above it: 3/4
