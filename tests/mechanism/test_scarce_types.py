"""Types that hardly occur, and slots so long that quality runs out: where (10) is least forgiving."""

import functools
import itertools
from decimal import Decimal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import STRESS
from jaxcontract.envs.config import ContractGame
from jaxcontract.evaluation.offers import scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.evaluation.states import UNSEEN, unseen_states
from jaxcontract.mechanism.freshness import frequency_bounds
from jaxcontract.mechanism.validation import greatest_index
from oracles.exact_optimum import make_game, solve, utility, violation
from oracles.random_states import pick

pytestmark = pytest.mark.usefixtures("compiled_quickly")

CONCENTRATIONS, SLOTS = (1, 0.3, 0.1, 0.03, 0.01), (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0)
PROFITS = (0.01, 1, 1e2, 1e4)
PRECISIONS = {"float32": 1e-6, "float64": 1e-9}


def scarce_states(seed, count, num_types, concentration):
    """Dirichlet shares down to 1e-300 of small concentrations, one in twenty of them 0; NumPy fields."""
    rng = np.random.default_rng(seed)
    shape = count, num_types
    # log of a gamma variate: gamma(a) is gamma(a + 1) · u^(1/a), and its logarithm does not underflow.
    logs = np.log(rng.gamma(concentration + 1, size=shape)) + np.log(rng.uniform(size=shape)) / concentration
    probs = np.exp(logs - logs.max(axis=1, keepdims=True))
    never = (rng.uniform(size=shape) < 0.05) & (probs < 1)
    probs = np.where(never, 0.0, probs)
    return {
        "max_aoi": rng.uniform(0.5, 1.0, count),
        "max_latency": rng.uniform(0.5, 1.0, count),
        "type_probs": probs / probs.sum(axis=1, keepdims=True),
        "device_types": np.sort(rng.uniform(1.0, 15.0, shape), axis=1),
    }


def every_kind(num_types, count, dtype):
    """`count` states for each concentration, slot and profit: (systems [N], states [N]) in a precision."""
    kinds = list(itertools.product(CONCENTRATIONS, SLOTS, PROFITS))
    seeds = itertools.count(1000 * num_types)
    parts = [scarce_states(next(seeds), count, num_types, concentration) for concentration, *_ in kinds]
    fields = {name: np.concatenate([part[name] for part in parts]).astype(dtype) for name in parts[0]}
    slot, profit = (np.repeat([kind[at] for kind in kinds], count).astype(dtype) for at in (1, 2))
    constants = jax.tree.map(lambda value: np.full(len(slot), value, dtype), jc.System())
    return constants.replace(slot_duration=slot, unit_profit=profit), jc.NetworkState(**fields)


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def looked_at(system, state, tolerance):
    """The optimum, its certificate and the derivatives of what it earns."""

    def earned(system, state):
        best = jc.optimal_contract(system, state)
        return jc.station_utility(system, state, best), best

    (worth, best), slopes = jax.value_and_grad(earned, (0, 1), has_aux=True)(system, state)
    smooth = [jnp.all(jnp.isfinite(slope)) for slope in jax.tree.leaves(slopes)]
    return {
        "best": best,
        "pooled": jc.pooled_contract(system, state),
        "feasible": jc.certify(system, state, best, tolerance).feasible,
        "utility": worth,
        "smooth": jnp.all(jnp.stack(smooth)),
    }


@jax.jit
@jax.vmap
def worth(system, state, contract):
    return jc.station_utility(system, state, contract)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("num_types", "count"),
    [(2, 3), (16, 2), *(pytest.param(size, 20, marks=pytest.mark.long) for size in (2, 3, 5, 8, 16))],
)
def test_every_legal_state_has_a_finite_certified_optimum(num_types, count, precision):
    with jax.enable_x64(precision == "float64"):
        systems, states = every_kind(num_types, count, precision)
        found = jax.device_get(looked_at(systems, states, PRECISIONS[precision]))
    in_double = functools.partial(jax.tree.map, lambda leaf: np.asarray(leaf, np.float64))
    double = in_double((systems, states))
    index = greatest_index(double[0], double[1].max_aoi, double[1].max_latency)
    # Between, whether any W is positive is a matter of rounding.
    some, none = index > 3e-6, index < -3e-6
    assert some.sum() > 0.8 * len(some)
    assert none.any()
    assert np.isfinite(found["utility"][some]).all()
    assert found["feasible"][some].all()
    assert found["smooth"][some].all()
    assert np.isneginf(found["utility"][none]).all()
    assert not found["feasible"][none].any()
    with jax.enable_x64(True):
        best, pooled = (
            np.asarray(worth(*double, in_double(found[name])))[some] for name in ("best", "pooled")
        )
    # Payments are rounded in their own precision, β ln W in double precision: next to W = 0 by 1/W as much.
    paid = 4 * np.finfo(precision).eps * found["best"].payment.max(axis=1)
    measured = 8 * np.finfo(np.float64).eps * double[0].unit_profit * (1 + 1 / index)
    assert (best - pooled >= -40 * (paid + measured)[some]).all()


@pytest.mark.parametrize(("precision", "lost"), [("float64", 1e-10), ("float32", 1e-3)])
def test_fifty_digits_find_no_better(precision, lost):
    # In units of M β. Single precision keeps away from W = 0 by 1e-5 of W₀, which costs rents at tiny β.
    solved = 0
    for concentration, slot, profit in itertools.product((1, 0.01), (1e-3, 0.1, 1.0), (0.01, 1, 1e4)):
        fields = {
            name: column.astype(precision) for name, column in scarce_states(5, 2, 3, concentration).items()
        }
        with jax.enable_x64(precision == "float64"):
            system = jc.System(slot_duration=slot, unit_profit=profit, min_frequency=1e-6)
            system = jax.tree.map(lambda value: np.full(2, value, precision), system)
            states = jc.NetworkState(**fields)
            offered = jax.device_get(looked_at(system, states, 0.0)["best"])
        for place in range(2):
            game = make_game(pick(system, place), pick(states, place))
            solution = solve(game)
            if solution is None:
                continue
            solved += 1
            frequency, payment = (
                [Decimal(float(number)) for number in column[place]]
                for column in (offered.frequency, offered.payment)
            )
            missed, defined = violation(game, frequency, payment)
            assert defined
            assert missed <= PRECISIONS[precision]
            regret = utility(game, *solution) - utility(game, frequency, payment)
            assert -1e-6 < regret / (40 * game.profit) < lost
    assert solved >= 24


@pytest.mark.parametrize("double", [False, True])
def test_a_type_of_next_to_no_devices_costs_next_to_nothing(double):
    with jax.enable_x64(double):
        shares = jnp.array([3e-10, 1e-20, 1e-37, 1e-44])
        states = jc.NetworkState(
            max_aoi=jnp.full(4, 0.9),
            max_latency=jnp.full(4, 0.73),
            type_probs=jnp.stack([shares, 1 - shares], axis=1),
            device_types=jnp.full((4, 2), jnp.array([2.0, 12.0])),
        )
        systems = jax.tree.map(lambda value: jnp.full(4, value), STRESS)
        found = looked_at(systems, states, 1e-9 if double else 1e-6)
        pooled = worth(systems, states, found["pooled"])
        alone = jc.NetworkState(max_aoi=0.9, max_latency=0.73, type_probs=[1.0], device_types=[12.0])
        most = jc.station_utility(STRESS, alone, jc.optimal_contract(STRESS, alone))
    assert found["feasible"].all()
    # The low type's item with W = 0 leaves the high type a rent of f (1/2 − 1/12), and no item leaves less.
    constant = 1 + 0.75 * 0.9 + 0.25 * 0.73 - 0.1 * (1 - 0.75 / 2)
    frequency = 0.75 * 0.1 / (constant + np.sqrt(constant**2 - 2 * 0.75 * 0.1**2))
    rent = 40 * frequency * (1 / 2 - 1 / 12)
    np.testing.assert_allclose(found["utility"], float(most) - rent, atol=1e-5)
    assert (np.asarray(pooled) < np.asarray(found["utility"]) - 1).all()


def test_a_type_that_never_occurs_below_one_that_hardly_does_is_not_asked_for_more(float64):
    state = jc.NetworkState(
        max_aoi=0.95, max_latency=0.73, type_probs=[0, 1e-8, 1 - 1e-8], device_types=[1, 7, 12]
    )
    best = jc.optimal_contract(STRESS, state)
    assert (np.diff(best.frequency) >= 0).all()
    certificate = jc.certify(STRESS, state, best, 1e-12)
    assert certificate.feasible
    assert float(certificate.ic_slack.min()) >= -1e-15


def origin(observation):
    """The action 0 in every network."""
    return jnp.zeros(len(observation) - 4)


def test_evaluation_where_types_are_scarce_is_finite_and_the_optimum_is_best():
    params = jc.EnvParams(system=STRESS, distribution=jc.NetworkDistribution(concentration=0.1))
    report = jc.evaluate(origin, jc.ContractEnv(), params, states=unseen_states(params.distribution, 2000))
    assert report.feasible == 1
    assert report.without_quality == 0
    assert 10 < report.optimum < 20
    assert 0 < report.regret < report.worst_regret < 20
    assert 0 < report.screening_gap < 100
    assert (report.regrets > 0).all()


def test_states_without_any_quality_are_counted_and_have_no_regret():
    states = unseen_states(jc.NetworkDistribution(), 2000)
    params = jc.EnvParams(system=jc.System(slot_duration=1.0))
    report = jc.evaluate(origin, jc.ContractEnv(), params, states=states)
    aoi, latency = (np.asarray(column, float) for column in (states.max_aoi, states.max_latency))
    none = greatest_index(params.system, aoi, latency) <= 0
    assert 0.05 < none.mean() < 0.95
    assert report.without_quality == none.mean()
    # What float32 cannot tell from W = 0 counts as infeasible.
    assert 0 <= 1 - none.mean() - report.feasible < 1e-3
    assert np.isfinite([report.optimum, report.regret, report.realised_regret]).all()
    assert np.isnan(report.regrets[none]).all()


def test_a_game_without_any_quality_is_refused_in_one_line():
    wrong = r"^System.slot_duration = 3.0: must be short enough for a quality of data \(4\): with .*$"
    with pytest.raises(ValueError, match=wrong):
        jc.EnvParams(system=jc.System(slot_duration=3.0))
    with pytest.raises(ValueError, match=wrong):
        ContractGame(problem=jc.System(slot_duration=3.0))
    patient = jc.NetworkDistribution(aoi_range=[5.0, 9.0], latency_range=[5.0, 9.0])
    assert jc.EnvParams(system=jc.System(slot_duration=3.0), distribution=patient).system.slot_duration == 3


@pytest.mark.parametrize("num_types", [2, 8, 100])
def test_the_default_bounds_do_not_bind_at_the_constants_of_the_paper(num_types):
    law, system = jc.NetworkDistribution.equal_bands(num_types), jc.System()
    assert not solve_reference(system, unseen_states(law, UNSEEN // 4)).bound_binds.any()
    # Nor in any other state of the law: no f as low as the bound has a quality.
    patient = jc.NetworkState(max_aoi=1.0, max_latency=1.0, type_probs=[1.0], device_types=[1.0])
    assert frequency_bounds(system, patient)[0] > system.min_frequency


def test_a_report_says_how_often_a_bound_binds():
    law = jc.NetworkDistribution.equal_bands(8)
    env, states = jc.ContractEnv(num_types=8), unseen_states(law, 3000)
    tight = jc.EnvParams(system=jc.System(min_frequency=0.05, max_frequency=0.4), distribution=law)
    bound, free = (jc.evaluate(origin, env, params, states=states) for params in (tight, env.default_params))
    solution = solve_reference(jc.System(), states)
    frequency = scheme_contracts(jc.optimal_contract, solution).frequency
    assert bound.bound_binds == ((frequency < 0.05) | (frequency > 0.4)).any(axis=1).mean()
    assert 0.2 < bound.bound_binds < 1
    assert free.bound_binds == 0
    assert bound.optimum < free.optimum
