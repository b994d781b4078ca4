"""Public functions take one round: a batch of any argument is refused, and `jax.vmap` equals a loop."""

import dataclasses
import functools
import inspect
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.core.rounds_last import find_rounds_last
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.learning import rollout

pytestmark = pytest.mark.usefixtures("compiled_quickly")

# Two rounds of two types: a batch of them has the shape of one with its axes exchanged.
SYSTEMS = [jc.System(aoi_preference=0.25, num_devices=20.0), jc.System(aoi_preference=0.75, unit_profit=50.0)]
STATES = [
    jc.NetworkState(max_aoi=0.75, max_latency=0.5, type_probs=[0.25, 0.75], device_types=[2.0, 3.0]),
    jc.NetworkState(max_aoi=0.9, max_latency=0.6, type_probs=[0.5, 0.5], device_types=[4.0, 12.0]),
]
# With one type of devices, as a game of capacity has it.
ALIKE = [state.replace(type_probs=[1.0], device_types=[4.0]) for state in STATES]
VECTORS = [jnp.array([0.0, 1.0, -1.0, 0.5]), jnp.array([0.5, -1.0, 0.0, 1.0])]
MENUS = [jc.feasible_contract(*numbers) for numbers in zip(SYSTEMS, STATES, VECTORS, strict=True)]
LAW = jc.NetworkDistribution()
ENV = jc.ContractEnv()
GENERATOR = np.random.default_rng(0)

VALUES = {
    "system": SYSTEMS,
    "state": STATES,
    "contract": MENUS,
    "vector": VECTORS,
    "frequency": [jnp.array([0.25, 0.5]), jnp.array([0.5, 1.0])],
    "slot_duration": [jnp.array(1e-3), jnp.array(0.1)],
    "tolerance": [jnp.array(1e-6), jnp.array(0.1)],
    "rent_scale": [jnp.array(0.01), jnp.array(0.1)],
    "frequency_shift": [jnp.array(0.0), jnp.array(0.5)],
    "margin": [jnp.array(0.0), jnp.array(0.5)],
    "cap": [jnp.array(1.0), jnp.array(0.5)],
    "utilities": [jnp.array([0.1, 0.2]), jnp.array([-0.1, 0.3])],
    "taste_scale": [jnp.array(1.0), jnp.array(0.5)],
    "rivals": [jnp.array([[0.5, 0.25]]), jnp.array([[0.25, 1.0]])],
    "capacity": [jnp.array(0.75), jnp.array(0.6)],
    "rents": [jnp.array([0.1, 0.2]), jnp.array([0.0, 0.5])],
    "probabilities": [jnp.array([0.1, 0.2]), jnp.array([0.0, 0.5])],
    "payments": [jnp.array([1.0, 0.5]), jnp.array([2.0, 1.0])],
    "weights": [jnp.array([0.5, 0.5]), jnp.array([0.25, 0.75])],
}
# Of these functions an argument may have any shape, which is then that of what they return.
ELEMENTWISE = {
    (name, "frequency") for name in ("average_aoi", "average_latency", "quality_of_data")
}  # fmt: skip
# What runs on the host, with arguments of which none is a batch.
ON_HOST = {
    "check_shape": {"system": SYSTEMS[0], "state": STATES[0]},
    "simulate_market": {"generator": GENERATOR, "system": SYSTEMS[0], "state": STATES[0],
                        "contract": MENUS[0], "num_rounds": 1, "tolerance": 1e-6},
    "simulate_requests": {"generator": GENERATOR, "cycle": 3, "slot_duration": 1e-3, "num_requests": 1},
    "sample_network": {"key": jax.random.key(0), "distribution": LAW},
    "unseen_states": {"distribution": LAW},
    "evaluate": {"policy": lambda seen: seen[:4], "env": ENV, "params": ENV.default_params},
}  # fmt: skip
# What takes one round of N stations, in records with an axis of stations, and may take a system for each.
OF_STATIONS = {
    "competition_utilities", "compare_equilibria", "device_welfare", "equilibrium_contracts",
    "exploitability", "joint_profit_contracts", "simulate_competition",
}  # fmt: skip
# What is no function of a round.
OTHERS = {"register", "train", "printed_states", "export_policy", "evaluate_by_size", "pad_network"} | {
    "load_env", "load_exported", "load_numpy_policy", "load_policy"
}  # fmt: skip
FUNCTIONS = {name for name in jc.__all__ if inspect.isfunction(getattr(jc, name))}
PURE = sorted(FUNCTIONS - OTHERS - OF_STATIONS - ON_HOST.keys())
# How a refusal names an argument, where not by the function and its own name.
NAMED = {
    "system": r"system of shape \(.*\): must be one System",
    "state": r"NetworkState\.\w+",
    "contract": r"Contract\.\w+",
    "distribution": r"NetworkDistribution\.\w+",
    "params": r"EnvParams\.\w+",
    "key": ".*key",
}


def arguments(name: str, row: int) -> dict[str, Any]:
    """Those of a pure function, of one round."""
    values = VALUES | {"state": ALIKE} if name.startswith("capacity_") else VALUES
    return {
        parameter: values[parameter][row] for parameter in inspect.signature(getattr(jc, name)).parameters
    }


def several(values, axis=0):
    """A batch of records or arrays, with its axis in front or last."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves], axis), *values)


def agree(found, expected):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


def refuses(call, name, argument):
    said = NAMED.get(argument, rf"{name}\.{argument}")
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (JAX adds notes, of which `match` knows)
        call()
    assert re.fullmatch(rf"{said}[^\n]*", str(refused.value))


CASES = [(name, argument) for name in PURE for argument in arguments(name, 0)]
HOST_CASES = [
    (name, argument)
    for name, given in ON_HOST.items()
    for argument in given.keys() - {"generator", "num_rounds", "num_requests", "policy", "env"}
]


def test_every_public_function_is_tried():
    assert OTHERS | ON_HOST.keys() <= FUNCTIONS
    assert len(PURE) > 15
    assert CASES


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize(("name", "argument"), [case for case in CASES if case not in ELEMENTWISE])
def test_a_batch_of_one_argument_is_refused(name, argument, axis):
    function = getattr(jc, name)
    given = arguments(name, 0) | {
        argument: several([arguments(name, row)[argument] for row in range(2)], axis)
    }
    refuses(lambda: function(**given), name, argument)
    refuses(lambda: jax.eval_shape(function, *given.values()), name, argument)
    twice = {key: several([value] * 2) for key, value in given.items()}
    refuses(lambda: jax.eval_shape(jax.vmap(function), *twice.values()), name, argument)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize(("name", "argument"), sorted(HOST_CASES))
def test_on_the_host_too(name, argument, axis):
    given = dict(ON_HOST[name])
    given[argument] = several([given[argument]] * 2, axis)
    refuses(lambda: getattr(jc, name)(**given), name, argument)


# What compiles for longest.
SEARCHES = {"best_response", "participation_contract"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in SEARCHES)) for name in PURE]
)
def test_a_vmap_is_a_loop_over_rounds(name):
    function = getattr(jc, name)
    rows = [arguments(name, row) for row in range(2)]
    batch = [several([row[argument] for row in rows]) for argument in rows[0]]
    found = jax.jit(jax.vmap(function))(*batch)
    alone = jax.jit(function)
    for index, row in enumerate(rows):
        agree(jax.tree.map(lambda leaf, index=index: leaf[index], found), alone(*row.values()))


@pytest.mark.parametrize(("name", "argument"), sorted(ELEMENTWISE))
def test_a_frequency_may_have_any_shape(name, argument):
    function, given = getattr(jc, name), arguments(name, 0)
    whole = function(**given | {argument: jnp.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])})
    assert whole.shape == (3, 2)
    agree(whole[1, 0], function(**given | {argument: 0.3}))


BEST = jax.jit(jc.optimal_contract)
BEST_OF_EACH = jax.jit(jax.vmap(jc.optimal_contract, (0, None)))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(jc.System)])
def test_a_system_with_an_array_is_a_batch_of_systems(field):
    values = {"max_frequency": [0.5, 1.0], "min_frequency": [0.1, 0.2]}.get(field, [0.25, 0.5])
    values = [1.0, 2.0] if field == "num_devices" else values
    systems = jc.System(**{field: jnp.array(values)})
    found = BEST_OF_EACH(systems, STATES[0])
    for index, value in enumerate(values):
        alone = BEST(jc.System(**{field: value}), STATES[0])
        agree(jax.tree.map(lambda leaf, index=index: leaf[index], found), alone)
    refuses(lambda: jc.optimal_contract(systems, STATES[0]), "optimal_contract", "system")
    whole = systems.replace(num_devices=jnp.array(30.0))
    assert {np.shape(leaf) for leaf in jax.tree.leaves(whole)} == {(2,)}
    numbers = [leaf for leaf in jax.tree.leaves(jc.System()) if not np.ndim(leaf)]
    assert len(numbers) == len(dataclasses.fields(jc.System)), "one system holds numbers"


def test_a_batch_of_systems_made_of_traced_numbers_is_one_too():
    def best(preferences, profit):
        systems = jc.System(aoi_preference=preferences, unit_profit=profit)
        return jax.vmap(jc.optimal_contract, (0, None))(systems, STATES[0])

    preferences = jnp.array([0.1, 0.9])
    expected = BEST_OF_EACH(jc.System(aoi_preference=preferences, unit_profit=50.0), STATES[0])
    agree(jax.jit(best)(preferences, 50.0), expected)


def test_arrays_of_a_system_have_one_shape():
    said = r"System\.unit_profit of shape \(3,\): must be a number, or of shape \(2,\) as aoi_preference is"
    with pytest.raises(ValueError, match=said):
        jc.System(aoi_preference=[0.1, 0.9], unit_profit=[1.0, 2.0, 3.0])


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Faster(jc.System):
    """With a number and a curve of its own, and a quality that rests on the paper's, of one round."""

    speed: Any = 2.0
    curve: Any = dataclasses.field(default_factory=lambda: jnp.array([1.0, 1.0]))

    def quality(self, state, frequency):
        assert jnp.ndim(state.max_aoi) == 0
        return self.speed * self.curve[0] * jc.quality_of_data(jc.System(), state, frequency)


def test_a_number_of_ones_own_is_one_and_a_curve_may_be_an_array():
    best = BEST(Faster(min_frequency=0.01), STATES[0])
    agree(best, BEST(jc.System(unit_profit=200.0, min_frequency=0.01), STATES[0]))
    with pytest.raises(ValueError, match=r"system of shape \(2,\): must be one Faster; use jax.vmap"):
        jc.optimal_contract(Faster(speed=jnp.array([1.0, 2.0])), STATES[0])
    systems = Faster(unit_profit=jnp.array([50.0, 100.0]), min_frequency=0.01)
    assert np.shape(systems.speed) == (2,)
    assert np.shape(systems.curve) == (2,)


PLAY = jax.jit(lambda env, *given: env.step(*given), static_argnums=0)


def test_a_quality_of_ones_own_sees_one_round_where_many_are_played_at_once():
    params = jc.EnvParams(system=Faster(min_frequency=0.01))
    played = play_many(ENV, params, VECTORS)
    for state, action, reward in played:
        expected = PLAY(ENV, jax.random.key(1), state, action, params)[2]
        np.testing.assert_allclose(reward, expected, rtol=1e-5)


@functools.partial(jax.jit, static_argnums=0)
def play_at_once(env, params, actions):
    states, _ = rollout.start(jax.random.key(0), env, params, actions.shape[-1])
    return states, rollout.step(jax.random.key(1), env, params, states, actions)[2]


def play_many(env, params, actions):
    """(state, action, reward) of each of the environments that a learner plays at once."""
    states, reward = play_at_once(env, params, jnp.stack(actions, axis=-1))
    networks = states.network
    for index, action in enumerate(actions):
        network = jc.NetworkState(
            max_aoi=networks.max_aoi[0, index],
            max_latency=networks.max_latency[0, index],
            type_probs=networks.type_probs[:, index],
            device_types=networks.device_types[:, index],
        )
        alone = dataclasses.replace(states, network=network, round=states.round[index])
        yield alone, action, reward[index]


@pytest.mark.parametrize(("actions", "reward"), [("feasible", "centred"), ("raw", "paper")])
def test_many_rounds_at_once_are_played_by_the_rules_of_one(actions, reward):
    env = jc.ContractEnv(actions=actions, reward=reward)
    assert find_rounds_last(env) is not None
    for state, action, paid in play_many(env, env.default_params, [0.5 + 0.1 * each for each in VECTORS]):
        expected = PLAY(env, jax.random.key(1), state, action, env.default_params)[2]
        np.testing.assert_allclose(paid, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["reset", "step", "contract"])
def test_rules_of_ones_own_are_not_passed_by(name):
    class Own(jc.ContractEnv):
        pass

    assert find_rounds_last(Own()) is not None
    setattr(Own, name, lambda self, *arguments: getattr(jc.ContractEnv, name)(self, *arguments))
    assert find_rounds_last(Own()) is None


def test_a_wrapper_that_passes_attributes_on_is_played_itself():
    class Wrapper:
        def __getattr__(self, name):
            return getattr(ENV, name)

    assert Wrapper().rounds_last() is not None
    assert find_rounds_last(Wrapper()) is None


def test_what_cannot_play_many_rounds_is_said():
    class Wrong:
        def rounds_last(self):
            return "ContractEnv"

    with pytest.raises(
        ValueError, match=r"Wrong\.rounds_last: must return reset and step, or None, not a str"
    ):
        find_rounds_last(Wrong())


@pytest.mark.parametrize("axis", [0, -1])
def test_an_environment_is_one(axis):
    key, params = jax.random.key(0), ENV.default_params
    _, state = ENV.reset(key, params)
    action = jnp.zeros(4)
    with pytest.raises(TypeError):
        ENV.reset(key, params, 2)
    batches = {
        "state": several([state] * 2, axis),
        "action": several([action] * 2, axis),
        "params": several([params] * 2, axis),
    }
    given = {"state": state, "action": action, "params": params}
    for name, batch in batches.items():
        said = {"state": r"EnvState\.round", "action": r"Contract-v0\.action", "params": r"EnvParams\.\w+"}
        for call in (ENV.step, jax.jit(ENV.step)):
            with pytest.raises(ValueError, match=rf"\A{said[name]} of shape [^\n]*; use jax.vmap"):
                call(key, **{**given, name: batch})
    several_networks = dataclasses.replace(state, network=batches["state"].network)
    for call in (
        lambda: ENV.step(key, several_networks, action, params),
        lambda: ENV.contract(several_networks.network, action, params),
    ):
        with pytest.raises(ValueError, match=r"\ANetworkState\.\w+ of shape [^\n]*; use jax.vmap"):
            call()
    for call in (
        lambda: ENV.reset(key, batches["params"]),
        lambda: ENV.contract(state.network, action, batches["params"]),
        lambda: ENV.observation_space(batches["params"]),
    ):
        with pytest.raises(ValueError, match=r"\AEnvParams\.\w+ of shape [^\n]*; use jax.vmap"):
            call()


@pytest.mark.parametrize("field", ["system", "distribution", "penalty"])
def test_numbers_of_several_games_are_no_game(field):
    params = ENV.default_params
    params = dataclasses.replace(params, **{field: several([getattr(params, field)] * 2)})
    with pytest.raises(ValueError, match=r"of shape [^\n]*; use jax.vmap"):
        ENV.reset(jax.random.key(0), params)
    with pytest.raises(ValueError, match=r"of shape [^\n]*; use jax.vmap"):
        jc.evaluate(lambda seen: seen[:4], ENV, params)


def test_a_reference_is_of_one_system():
    with pytest.raises(ValueError, match=r"system of shape \(2,\): must be one System; use jax.vmap"):
        solve_reference(several(SYSTEMS), several(STATES))


def test_types_exchanged_with_rounds_do_not_pass():
    """Two rounds of two types, laid out [K, B], have the shapes of one round in all that is [K]."""
    exchanged = several(STATES, -1)
    for name in ("realised_utility", "chosen_items", "naive_contract", "take_it_or_leave_it_contract"):
        given = arguments(name, 0) | {"state": exchanged}
        with pytest.raises(ValueError, match=re.escape("NetworkState.device_types of shape (2, 2)")):
            getattr(jc, name)(**given)


OFFERS = {
    "system": SYSTEMS[0],
    "states": several([STATES[0], STATES[0].replace(max_aoi=0.9)]),
    "contracts": several([MENUS[0]] * 2),
    "taste_scale": jnp.array(0.5),
    "num_starts": 1,
    "generator": GENERATOR,
    "num_rounds": 1,
}


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("argument", ["states", "contracts", "taste_scale"])
@pytest.mark.parametrize("name", sorted(OF_STATIONS))
def test_a_batch_of_rounds_of_stations_is_refused(name, argument, axis):
    function = getattr(jc, name)
    given = {key: OFFERS[key] for key in inspect.signature(function).parameters}
    if argument not in given:
        return
    given[argument] = several([given[argument]] * 2, axis)
    said = {"states": r"NetworkState\.\w+", "contracts": r"Contract\.\w+"}.get(
        argument, rf"{name}\.{argument}"
    )
    with pytest.raises(ValueError, match=rf"\A{said} of shape [^\n]*\Z"):
        function(**given)


@pytest.mark.parametrize("name", sorted(OF_STATIONS))
def test_systems_are_one_or_as_many_as_stations(name):
    given = {key: OFFERS[key] for key in inspect.signature(getattr(jc, name)).parameters}
    given["system"] = several([SYSTEMS[0]] * 3)
    with pytest.raises(ValueError, match=r"system of shape \(3,\): must be one System, or one for each of 2"):
        getattr(jc, name)(**given)
