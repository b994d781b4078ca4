"""Exported policies for various numbers of types: one answer in JAX, NumPy and the artifact; refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import change
from jaxcontract.learning.boxes import make_bijector, make_normalizer
from jaxcontract.mechanism.varied_types import with_types
from jaxcontract.storage.policies import save_policies
from paths import EXPERIMENTS

pytestmark = pytest.mark.usefixtures("compiled_quickly")

FEWEST, PLACES = 2, 256
# Of frequencies and payments, which lie in [0, 1]. At 256 types float32 differs by 1e-6 from itself: the
# policy and its artifact are two programs, which add up 256 items in another order.
NEAR = {2: 5e-7, 17: 1e-6, 256: 2e-6}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(policy, env, params, artifact, in NumPy) with trained weights, put to work on up to 256 types."""
    folder = tmp_path_factory.mktemp("varied")
    trained = jc.load_policy(EXPERIMENTS / "policies" / "any_k")
    setting = change(PRESETS["default"], {"num_types": PLACES, "fewest_types": FEWEST})
    setting = setting.with_parts({"network": trained.network})
    env, params = setting.game.make()
    policy = jc.NetworkPolicy(
        weights=trained.weights,
        parameters={"log_std": jnp.zeros(2 * PLACES)},
        normalizer=make_normalizer(env.observation_space(params), env.item_layout()),
        bijector=make_bijector(env.action_space(params)),
        network=trained.network,
        head=trained.head,
    )
    save_policies(folder / "policy", {0: policy}, setting)
    jc.export_policy(folder / "policy", folder / "any.jaxexport")
    file = folder / "any.jaxexport"
    return policy, env, params, jc.load_exported(file), jc.load_numpy_policy(file)


def states_of(params, size, count):
    return jc.unseen_states(with_types(params.distribution, size), count)


@pytest.mark.parametrize("size", NEAR)
def test_jax_numpy_and_the_artifact_agree(made, size):
    policy, env, params, exported, in_numpy = made
    state = states_of(params, size, 100)
    padded = jc.pad_network(state, PLACES)
    seen = jax.vmap(jc.observe, in_axes=(None, 0))(params.system, padded)
    wanted = jax.vmap(env.contract, in_axes=(0, 0, None))(padded, jax.vmap(policy)(seen), params)
    assert np.std(np.asarray(wanted.frequency)[:, 0]) > 1e-3
    for found in (exported(state), in_numpy(state)):
        for name in ("frequency", "payment"):
            expected = np.asarray(getattr(wanted, name))[:, :size]
            assert getattr(found, name).shape == expected.shape
            np.testing.assert_allclose(getattr(found, name), expected, rtol=0, atol=NEAR[size])


def test_rounding_to_float32_is_repeated_where_it_matters(made):
    *_, params, exported, in_numpy = made
    state = states_of(params, PLACES, 100)
    expected = np.asarray(exported(state).frequency)
    object.__setattr__(in_numpy, "rounds_inputs", False)
    try:
        without = np.max(np.abs(in_numpy(state).frequency - expected))
    finally:
        object.__setattr__(in_numpy, "rounds_inputs", True)
    assert np.max(np.abs(in_numpy(state).frequency - expected)) < 0.5 * without


def fields_of(probs, types):
    batch = np.shape(probs)[:-1]
    given = {"max_aoi": np.full(batch, 0.9), "max_latency": np.full(batch, 0.7)}
    return {**given, "type_probs": np.asarray(probs), "device_types": np.asarray(types)}


REFUSED = {
    "too few types": (
        fields_of([1.0], [3.0]),
        r"type_probs = \[1.0\]: must be of the policy's 2 to 256 types",
    ),
    "too many types": (
        fields_of(np.full(300, 1 / 300), np.linspace(1, 15, 300)),
        r"type_probs = .*: must be of the policy's 2 to 256 types",
    ),
    "unsorted": (fields_of([0.5, 0.5], [9.0, 3.0]), "device_types = .*: must be in ascending order"),
    "padded": (
        fields_of([0.4, 0.6, 0.0, 0.0], [2.0, 9.0, 9.0, 9.0]),
        r"type_probs = .*: must be without empty places: the last 2 have no share and repeat the type before",
    ),
    "padded with zeros": (fields_of([0.4, 0.6, 0.0], [2.0, 9.0, 0.0]), "device_types = .*: must be positive"),
    "one of a batch padded": (
        fields_of([[0.4, 0.6], [1.0, 0.0]], [[2.0, 9.0], [4.0, 4.0]]),
        r"type_probs = .*: must be without empty places: the last 1 of network 1 have no share",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_networks_that_are_not_for_it_are_one_line(made, case):
    *_, exported, in_numpy = made
    given, said = REFUSED[case]
    for policy in (exported, in_numpy):
        with pytest.raises(ValueError, match=said) as refused:
            policy(**given)
        assert str(refused.value).startswith("NetworkState.")
        assert "\n" not in str(refused.value)


def test_types_of_no_share_and_ties_are_types(made):
    """Only both together, at the end, look like an empty place."""
    *_, exported, in_numpy = made
    for probs, types in (([0.4, 0.6, 0.0], [2, 5, 9]), ([0.4, 0.0, 0.6], [2, 2, 9]), ([0.4, 0.6], [3, 3])):
        given = fields_of(probs, np.asarray(types, float))
        found = exported(**given)
        assert found.frequency.shape == (len(probs),)
        np.testing.assert_allclose(in_numpy(**given).frequency, found.frequency, atol=1e-6)
