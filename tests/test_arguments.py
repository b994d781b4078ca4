"""Public functions take what constructors take: lists, ranges, NumPy's scalars; all else is one line."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.envs.wrappers import ScaledEnv
from jaxcontract.learning.boxes import ActionBijector, ObservationNormalizer

SYSTEM = jc.System(unit_profit=np.float64(50.0), num_devices=np.int64(20))
STRICT = jc.NetworkState(
    max_aoi=jnp.float32(0.75),
    max_latency=jnp.float32(0.5),
    type_probs=jnp.array([0.25, 0.75]),
    device_types=jnp.array([2.0, 3.0]),
)
LOOSE = jc.NetworkState(
    max_aoi=np.float64(0.75),
    max_latency=np.float32(0.5),
    type_probs=[0.25, np.float64(0.75)],
    device_types=range(2, 4),
)
MENU = jc.Contract(frequency=[0.25, np.float32(0.5)], payment=(np.float64(0.25), 0.5))
FREQUENCIES, VECTOR = jnp.array([0.25, 1.0]), jnp.array([0.0, 1.0, -1.0, 0.5])
LISTS = [np.float64(0.25), 1], [0, np.int64(1), -1.0, np.float32(0.5)]
GAME = jc.ContractEnv(), jc.ContractEnv().default_params

# The arguments as arrays, and the same as people write them.
OF_NUMBERS = {
    "average_aoi": ((FREQUENCIES, 1e-3), (LISTS[0], np.float64(1e-3))),
    "average_latency": ((FREQUENCIES, 1e-3), (LISTS[0], np.float32(1e-3))),
    "quality_of_data": ((SYSTEM, STRICT, FREQUENCIES), (SYSTEM, LOOSE, LISTS[0])),
    "device_utilities": ((STRICT, MENU, SYSTEM), (LOOSE, MENU, SYSTEM)),
    "certify": ((SYSTEM, STRICT, MENU, 1e-6, 0.5), (SYSTEM, LOOSE, MENU, np.float64(1e-6), np.float32(0.5))),
    "chosen_items": ((STRICT, MENU, 0.0), (LOOSE, MENU, np.int64(0))),
    "realised_utility": ((SYSTEM, STRICT, MENU, 1e-6), (SYSTEM, LOOSE, MENU, np.float64(1e-6))),
    "posted_price_contract": ((SYSTEM, STRICT, 1.0), (SYSTEM, LOOSE, np.int64(1))),
    "feasible_contract": ((SYSTEM, STRICT, VECTOR), (SYSTEM, LOOSE, LISTS[1])),
    **dict.fromkeys(
        ("station_utility", "centred_utility", "feasible_vector"),
        ((SYSTEM, STRICT, MENU), (SYSTEM, LOOSE, MENU)),
    ),
    **dict.fromkeys(
        (
            "optimal_contract",
            "whole_cycle_contract",
            "complete_information_contract",
            "pooled_contract",
            "social_optimum_contract",
            "naive_contract",
            "take_it_or_leave_it_contract",
            "observe",
            "check_shape",
        ),
        ((SYSTEM, STRICT), (SYSTEM, LOOSE)),
    ),
}
# Tried below, or elsewhere with all forms of their few arguments: those of files in test_deployment.py.
OTHERS = {
    *("sample_network", "unseen_states", "printed_states", "simulate_requests", "simulate_market"),
    *("evaluate", "train", "register"),
    *("evaluate_by_size", "pad_network"),  # tests/envs/test_varied_types.py
    # Of devices that choose: tests/mechanism, and test_one_round.py for what they refuse.
    "best_response",
    "capacity_distribution",
    "capacity_exploitability",
    "capacity_payments",
    "capacity_payoff",
    "compare_equilibria",
    "competition_utilities",
    "device_welfare",
    "equilibrium_contracts",
    "exploitability",
    "joint_profit_contracts",
    "participation",
    "participation_contract",
    "participation_utility",
    "simulate_competition",
    *("export_policy", "load_env", "load_exported", "load_numpy_policy", "load_policy"),
}


def agree(found, expected, **near):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7, **near)


def test_no_public_function_is_left_out():
    functions = {name for name in jc.__all__ if inspect.isfunction(getattr(jc, name))}
    assert functions == OF_NUMBERS.keys() | OTHERS


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_functions_take_numbers_as_constructors_do(name):
    function, (strict, loose) = getattr(jc, name), OF_NUMBERS[name]
    if name == "check_shape":  # on concrete numbers only
        return function(*loose)

    @jax.jit
    def in_one_program(strict, loose, pairs):
        return function(*strict), function(*loose), jax.vmap(function)(*pairs)

    pairs = jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf, float)] * 2), strict)
    expected, same, batch = in_one_program(strict, loose, pairs)
    agree(same, expected)
    if any(not isinstance(argument, jc.System | jc.NetworkState | jc.Contract) for argument in loose):
        agree(function(*loose), expected)
    return agree(jax.tree.map(lambda leaf: leaf[1], batch), expected)


def test_numbers_in_a_list_are_derived_by():
    def paid(vector):
        return jnp.sum(jc.feasible_contract(SYSTEM, STRICT, vector).payment)

    slope, expected = jax.jit(
        lambda: (jax.grad(lambda vector: paid(list(vector)))(VECTOR), jax.grad(paid)(VECTOR))
    )()
    np.testing.assert_allclose(slope, expected, rtol=1e-6)
    assert np.all(np.abs(slope) > 1e-6)


def test_sizes_and_seeds_may_be_numpys():
    bands = jc.NetworkDistribution.equal_bands(np.int64(3))
    assert bands == jc.NetworkDistribution.equal_bands(3)
    key = jax.random.key(0)
    assert jc.sample_network(key, bands, np.int32(2)) == jc.sample_network(key, bands, 2)
    states = jc.unseen_states(bands, np.int64(5), seed=np.int64(7))
    assert states == jc.unseen_states(bands, 5, seed=7)
    config = jc.PPOConfig(
        num_updates=np.int64(2), network=jc.MLP(hidden_sizes=range(4, 6)), learning_rate=np.float32(0.5)
    )
    assert (config.num_updates, config.network.hidden_sizes, config.learning_rate) == (2, (4, 5), 0.5)


def test_columns_of_other_libraries_are_numbers():
    class Column:
        def __array__(self, dtype=None, copy=None):
            return np.array([0.25, 0.75], dtype)

    class Elsewhere:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("on another device")

    assert jc.NetworkState(max_aoi=0.75, max_latency=0.5, type_probs=Column(), device_types=[2, 3]) == STRICT
    agree(jc.average_latency(Column(), 1e-3), jc.average_latency([0.25, 0.75], 1e-3))
    with pytest.raises(ValueError, match=r"\Aaverage_latency\.frequency = .*: must be numbers\Z"):
        jc.average_latency(Elsewhere(), 1e-3)


def test_an_action_may_be_a_list_in_every_mode():
    for actions in ("raw", "feasible"):
        env = jc.ContractEnv(actions=actions)
        expected = env.contract(STRICT, jnp.array([0.25, 0.5, 0.25, 0.5]))
        assert env.contract(LOOSE, [0.25, np.float64(0.5), np.float32(0.25), 0.5]) == expected


def test_the_simulators_take_lists_and_numpys_scalars():
    seed = np.random.default_rng
    requests = jc.simulate_requests(seed(0), 3, 1e-3, 100)
    assert requests == jc.simulate_requests(seed(0), np.int64(3), np.float64(1e-3), np.int32(100))
    assert requests != jc.simulate_requests(seed(1), 3, 1e-3, 100)
    market = jc.simulate_market(seed(0), SYSTEM, STRICT, MENU, 10, quality=np.array([0.5, 0.25]))
    loose = {"quality": [np.float64(0.5), 0.25], "tolerance": np.float64(1e-6)}
    assert market == jc.simulate_market(seed(0), SYSTEM, LOOSE, MENU, np.int64(10), **loose)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: jc.average_aoi("fast", 1e-3), r"average_aoi\.frequency = 'fast': must be numbers"),
        (lambda: jc.average_aoi(0.5, None), r"average_aoi\.slot_duration = None: must be numbers"),
        (lambda: jc.average_latency([0.5, "x"], 1e-3), r"average_latency\.frequency = .*: must be numbers"),
        (lambda: jc.quality_of_data(SYSTEM, STRICT, {}), r"quality_of_data\.frequency = \{\}: must be"),
        (
            lambda: jc.feasible_contract(SYSTEM, STRICT, [[1.0], []]),
            r"feasible_contract\.vector = .*: must be",
        ),
        (
            lambda: jc.feasible_contract(SYSTEM, STRICT, [0.0] * 3),
            r"a vector of shape \(3,\): must be \(4,\)",
        ),
        (lambda: jc.certify(SYSTEM, STRICT, MENU, "1e-6"), r"certify\.tolerance = '1e-6': must be numbers"),
        (lambda: jc.ContractEnv().contract(STRICT, "high"), r"Contract-v0\.action = 'high': must be numbers"),
        (lambda: jc.optimal_contract(STRICT, SYSTEM), "system: must be a System, not a NetworkState"),
        (lambda: jc.certify(SYSTEM, MENU, STRICT), "state: must be a NetworkState, not a Contract"),
        (lambda: jc.station_utility(SYSTEM, STRICT, [0.5]), "contract: must be a Contract, not a list"),
        (lambda: jc.device_utilities(STRICT, STRICT), "contract: must be a Contract, not a NetworkState"),
        (lambda: jc.sample_network(jax.random.key(0), SYSTEM), "must be a NetworkDistribution, not a System"),
        (
            lambda: jc.sample_network(jax.random.key(0), jc.NetworkDistribution(), 2.5),
            "num_rounds = 2.5: must",
        ),
        (lambda: jc.unseen_states(jc.NetworkDistribution(), "5"), "unseen_states.num_states = '5': must be"),
        (lambda: jc.simulate_requests(0, 4, 1e-3, 10), r"simulate_requests\.generator = 0: must be a numpy"),
        (lambda: jc.simulate_market(0, SYSTEM, STRICT, MENU, 9), r"\.generator = 0: must be a numpy\.random"),
        (
            lambda: jc.simulate_market(SYSTEM, 0, STRICT, MENU, 9),
            r"\.generator = System\(.*: must be a numpy",
        ),
        (
            lambda: jc.simulate_market(np.random.default_rng(0), STRICT, SYSTEM, MENU, 9),
            "system: must be a System, not a NetworkState",
        ),
        (
            lambda: jc.simulate_market(jax.random.key(0), SYSTEM, STRICT, MENU, 9),
            r"\.generator = .*: must be a numpy",
        ),
        (
            lambda: jc.sample_network(0, jc.NetworkDistribution()),
            r"sample_network\.key = 0: must be a key of J",
        ),
        (lambda: jc.ContractEnv().reset(1), r"sample_network\.key = 1: must be a key of JAX"),
        (
            lambda: jc.train(0, *GAME, jc.PPOConfig()),
            r"train\.key = 0: must be a key of JAX, such as jax\.ran",
        ),
        (
            lambda: jc.train(jax.random.key(0), *GAME[::-1], jc.PPOConfig()),
            r"train: env: must be an Environment; EnvParams has no reset",
        ),
        (
            lambda: jc.train(jax.random.key(0), *GAME, {"num_updates": 2}),
            r"train\.config = .*: must be a learner's configuration",
        ),
        (lambda: jc.evaluate(GAME[0], lambda seen: seen), "env: must be a ContractEnv, not a function"),
        (
            lambda: jc.evaluate(lambda seen: seen, GAME[0], SYSTEM),
            "params: must be an EnvParams, not a System",
        ),
        (
            lambda: jc.posted_price_contract(SYSTEM, STRICT, -1),
            r"posted_price_contract\.cap = -1: must be a nu",
        ),
        (
            lambda: jc.posted_price_contract(SYSTEM, STRICT, np.nan),
            r"posted_price_contract\.cap = nan: must be",
        ),
        (
            lambda: jc.posted_price_contract(SYSTEM, STRICT, [0.25, 0.5]),
            r"posted_price_contract\.cap of shape \(2,\): must be one number; use jax.vmap",
        ),
    ],
)
def test_what_is_not_meant_is_one_line(call, said):
    with pytest.raises(ValueError, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_an_observation_of_another_length_is_refused_in_words():
    layer = {"kernel": jnp.ones((3, 4)), "bias": jnp.zeros(4)}
    policy = jc.NetworkPolicy(
        weights={
            "params": {"Dense_0": {"kernel": jnp.zeros((8, 3)), "bias": jnp.zeros(3)}, "Dense_1": layer}
        },
        parameters={"log_std": jnp.zeros(4)},
        normalizer=ObservationNormalizer(center=jnp.zeros(8), width=jnp.ones(8)),
        bijector=ActionBijector(low=jnp.zeros(4), high=jnp.ones(4)),
        network=jc.MLP(hidden_sizes=(3,)),
        head=jc.Gaussian(),
    )
    observation = list(range(8))
    agree(policy(observation), policy(jnp.arange(8.0)))
    for call in (policy, jax.jit(policy), lambda seen: policy.sample(jax.random.key(0), seen)):
        with pytest.raises(
            ValueError, match=r"Policy: an observation of shape \(7,\): must be \[\.\.\., 8\]"
        ):
            call(jnp.zeros(7))
    with pytest.raises(ValueError, match=r"observations, numbers \[\.\.\., 8\], not with a NetworkState"):
        policy(STRICT)
    scaled = ScaledEnv(env=jc.ContractEnv())
    with pytest.raises(ValueError, match=r"ScaledEnv: an observation of shape \(7,\): must be \(8,\)"):
        scaled.scale(observation[:7])
    for convert in (scaled.env_action, scaled.learner_action):
        with pytest.raises(ValueError, match=r"ScaledEnv: an action of shape \(3,\): must be \(4,\)"):
            convert([0.0] * 3)
