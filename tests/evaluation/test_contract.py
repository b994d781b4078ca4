"""A report against its definition, and against policies whose regret is known."""

import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.evaluation.offers import random_contracts, scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.evaluation.report import judge
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.optimum import pooled_contract

pytestmark = pytest.mark.usefixtures("compiled_quickly")

STATES = 300


@pytest.fixture(scope="module")
def solution():
    params = jc.ContractEnv().default_params
    return solve_reference(params.system, unseen_states(params.distribution, STATES))


def in_float64(function, solution):
    with jax.enable_x64(True):
        return jax.vmap(function, (None, 0))(solution.system, solution.states)


def state_of(solution, index):
    return jax.tree.map(lambda leaf: leaf[index], solution.states)


def test_the_optimum_has_no_regret(solution):
    report = judge(in_float64(jc.optimal_contract, solution), solution)
    assert (report.feasible, report.num_states) == (1.0, STATES)
    np.testing.assert_allclose(report.regrets, 0, atol=1e-9)
    assert report.reward == pytest.approx(report.optimum) == pytest.approx(report.station_utility)
    assert report.device_utilities[0] == pytest.approx(0, abs=1e-12)
    assert report.device_utilities[1] > 0


def test_the_pooled_contract_is_a_screening_gap_of_one(solution):
    report = judge(in_float64(pooled_contract, solution), solution)
    assert report.screening_gap == pytest.approx(1, abs=1e-9)
    assert report.regret == pytest.approx(np.mean(solution.optimum - solution.pooled))


def test_infeasible_contracts_are_counted_and_never_averaged_in(solution):
    contracts = in_float64(jc.optimal_contract, solution)
    broken = np.arange(STATES) % 3 == 0
    payment = np.array(contracts.payment)
    payment[broken, 0] -= 0.01
    with jax.enable_x64(True):
        contracts = contracts.replace(payment=payment)
    report = judge(contracts, solution, penalty=-7.0)
    assert report.feasible == pytest.approx(2 / 3)
    assert report.max_violation == pytest.approx(0.01)
    assert np.isnan(report.regrets[broken]).all()
    np.testing.assert_allclose(report.regrets[~broken], 0, atol=1e-9)
    assert report.regret == pytest.approx(0, abs=1e-9)
    assert report.reward == pytest.approx(np.mean(np.where(broken, -7.0, solution.optimum)))


def test_undefined_payments_are_infeasible_where_types_are_known_too(solution):
    contracts = scheme_contracts(jc.complete_information_contract, solution)
    broken = np.arange(STATES) % 3 == 0
    payment = np.array(contracts.payment)
    payment[broken, 1] = np.nan
    undefined = jax.tree.unflatten(jax.tree.structure(contracts), [contracts.frequency, payment])
    report = judge(undefined, solution, known_types=True)
    assert report.feasible == pytest.approx(np.mean(~broken))
    assert np.isnan(report.max_violation)
    assert np.isnan(report.regrets[broken]).all()
    assert (report.regrets[~broken] <= 1e-9).all()


def test_without_a_feasible_contract_the_averages_are_undefined(solution):
    zeros = np.zeros((STATES, 2))
    report = judge(jc.Contract(frequency=zeros, payment=zeros), solution)
    assert (report.feasible, report.reward) == (0.0, -500.0)
    undefined = (report.regret, report.worst_regret, report.screening_gap, report.station_utility)
    assert np.isnan(undefined).all()


def test_regret_and_gap_follow_their_definitions(solution):
    env, params = jc.ContractEnv(), jc.ContractEnv().default_params
    contracts = random_contracts(env, params, solution.states)
    report = judge(contracts, solution)
    regrets = []
    with jax.enable_x64(True):
        for index in range(40):
            state = state_of(solution, index)
            contract = jax.tree.map(lambda leaf, i=index: np.asarray(leaf[i], np.float64), contracts)
            best = jc.station_utility(solution.system, state, jc.optimal_contract(jc.System(), state))
            regrets.append(float(best - jc.station_utility(solution.system, state, contract)))
    np.testing.assert_allclose(report.regrets[:40], regrets, atol=1e-9)
    assert report.regret == pytest.approx(np.mean(report.regrets))
    assert report.worst_regret == report.regrets.max()
    worth = np.sum(solution.optimum - solution.pooled)
    assert report.screening_gap == pytest.approx(np.sum(report.regrets) / worth)


@pytest.mark.parametrize("actions", ["feasible", "raw"])
@pytest.mark.parametrize("num_types", [1, 2, 8])
def test_no_feasible_contract_is_better_than_the_optimum(num_types, actions):
    env = jc.ContractEnv(num_types=num_types, actions=actions)
    params = env.default_params
    solution = solve_reference(params.system, unseen_states(params.distribution, 2000))
    report = judge(random_contracts(env, params, solution.states), solution)
    slack = params.system.num_devices * (num_types + 1) * 1e-6
    assert np.all(report.regrets[np.isfinite(report.regrets)] >= -slack)
    assert report.feasible == 1.0 or actions == "raw"


def test_any_function_of_an_observation_is_a_policy(solution):
    env = jc.ContractEnv()
    report = jc.evaluate(lambda observation: observation[:4] * 0, env, states=solution)
    expected = judge(jax.vmap(env.contract, (0, 0))(solution.states, jnp.zeros((STATES, 4))), solution)
    assert report.regret == pytest.approx(expected.regret, rel=1e-4)


def test_a_policy_sees_the_state_it_is_judged_on(solution):
    env = jc.ContractEnv(actions="raw")

    def exact(observation):
        state = jc.NetworkState(
            max_aoi=observation[2],
            max_latency=observation[3],
            type_probs=observation[4:6],
            device_types=observation[6:8],
        )
        contract = jc.optimal_contract(jc.System(), state)
        return jnp.concatenate([contract.frequency, contract.payment])

    report = jc.evaluate(exact, env, states=solution)
    assert report.feasible == 1.0
    np.testing.assert_allclose(report.regrets, 0, atol=1e-4)


def test_unseen_states_are_the_same_every_time_and_differ_by_seed():
    distribution = jc.NetworkDistribution()
    one, again = unseen_states(distribution, 10), unseen_states(distribution, 10)
    other = unseen_states(distribution, 10, seed=3)
    np.testing.assert_array_equal(one.type_probs, again.type_probs)
    assert not np.array_equal(one.type_probs, other.type_probs)


DRAWS = """
import sys
import jax
import numpy as np
import jaxcontract as jc
from jaxcontract.evaluation.offers import random_contracts

numbers = {}
for num_types, concentration in ((2, 1.0), (3, 0.5)):
    distribution = jc.NetworkDistribution.equal_bands(num_types, concentration=concentration)
    states = jc.unseen_states(distribution, 50)
    env = jc.ContractEnv(num_types=num_types, actions="raw")
    contracts = random_contracts(env, env.default_params, states)
    rows = [np.asarray(leaf, float) for leaf in jax.tree.leaves((states, contracts))]
    numbers[str(num_types)] = np.concatenate([row.ravel() for row in rows])
np.savez(sys.argv[1], precision=str(states.max_aoi.dtype), **numbers)
"""
OTHERWISE = {"JAX_ENABLE_X64": "1", "JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_THREEFRY_PARTITIONABLE": "0"}


@pytest.mark.long
def test_unseen_states_and_random_contracts_are_the_same_numbers_whatever_jax_is_set_to(tmp_path):
    for name, settings in (("usual", {}), ("otherwise", OTHERWISE)):
        command = [sys.executable, "-c", DRAWS, str(tmp_path / name)]
        subprocess.run(command, env={**os.environ, **settings}, check=True, timeout=120)
    with np.load(tmp_path / "usual.npz") as usual, np.load(tmp_path / "otherwise.npz") as otherwise:
        assert (usual["precision"], otherwise["precision"]) == ("float32", "float64")
        for name in ("2", "3"):
            np.testing.assert_array_equal(otherwise[name], usual[name])
    again = unseen_states(jc.NetworkDistribution(), 50)
    assert again.max_aoi.dtype == np.float32


def test_evaluation_leaves_precision_as_it_was(solution):
    jc.evaluate(lambda observation: 0 * observation[:4], jc.ContractEnv(), states=solution)
    assert jnp.zeros(1).dtype == jnp.float32


def test_a_policy_is_measured_as_it_is_now():
    env = jc.ContractEnv()
    states = jc.unseen_states(env.default_params.distribution, 50)
    shift = jnp.zeros(4)

    def policy(observation):
        return shift

    first = jc.evaluate(policy, env, states=states).regret
    shift = jnp.array([1.0, 1.0, 3.0, 3.0])
    assert jc.evaluate(policy, env, states=states).regret > first
    fixed = jc.evaluate(lambda _: jnp.array([1.0, 1.0, 3.0, 3.0]), env, states=states).regret
    assert jc.evaluate(policy, env, states=states).regret == fixed


def test_undefined_payments_are_counted_as_infeasible():
    env = jc.ContractEnv(actions="raw")
    report = jc.evaluate(
        lambda _: jnp.array([0.2, 0.3, jnp.nan, jnp.nan]),
        env,
        states=jc.unseen_states(env.default_params.distribution, 20),
    )
    assert (report.feasible, report.reward) == (0.0, -500.0)


def test_states_of_other_types_are_refused_in_one_line():
    env = jc.ContractEnv(num_types=3)
    for states in (jc.printed_states(), jax.tree.map(lambda leaf: leaf[0], jc.printed_states())):
        with pytest.raises(ValueError, match=r"evaluate.states = .* of shape \[N, 3\]"):
            jc.evaluate(lambda _: jnp.zeros(6), env, states=states)


@jc.register
@dataclasses.dataclass(frozen=True, eq=False)
class Shifted:
    """A policy that is a pytree with one array in it."""

    shift: np.ndarray

    def __call__(self, _):
        return self.shift


def test_a_policy_that_is_a_pytree_is_measured_again_and_again():
    env = jc.ContractEnv()
    states = jc.unseen_states(env.default_params.distribution, 50)
    regrets = [
        jc.evaluate(Shifted(np.full(4, shift, np.float32)), env, states=states).regret
        for shift in (0.0, 1.0, 0.0)
    ]
    assert regrets[0] == regrets[2] != regrets[1]
