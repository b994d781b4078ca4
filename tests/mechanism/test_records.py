"""Records refuse what they cannot mean, in one line, and travel through JAX unchanged."""

import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxcontract as jc
from jaxcontract import Contract, ContractEnv, EnvParams, NetworkDistribution, NetworkState, System

NAN, INF = float("nan"), float("inf")
RECORDS = {
    System: {},
    NetworkState: {
        "max_aoi": 0.9,
        "max_latency": 0.7,
        "type_probs": [0.25, 0.75],
        "device_types": [2.0, 12.0],
    },
    Contract: {"frequency": [0.1, 0.2], "payment": [0.05, 0.06]},
    NetworkDistribution: {},
    EnvParams: {},
    ContractEnv: {},
}
NUMERIC_FIELDS = [
    (System, "num_devices"),
    (System, "aoi_preference"),
    (System, "unit_profit"),
    (System, "slot_duration"),
    (System, "min_frequency"),
    (System, "max_frequency"),
    (NetworkState, "max_aoi"),
    (NetworkState, "max_latency"),
    (NetworkState, "type_probs"),
    (NetworkState, "device_types"),
    (Contract, "frequency"),
    (Contract, "payment"),
    (NetworkDistribution, "aoi_range"),
    (NetworkDistribution, "latency_range"),
    (NetworkDistribution, "type_edges"),
    (NetworkDistribution, "concentration"),
    (EnvParams, "penalty"),
    (EnvParams, "violation_price"),
    (EnvParams, "tolerance"),
    (EnvParams, "episode_length"),
    (ContractEnv, "num_types"),
]
NOT_NUMBERS = [
    None,
    "abc",
    NAN,
    INF,
    -INF,
    {},
    1j,
    b"ab",
    True,
    [0.5, None],
    [None, None],
    ["0.25", "0.75"],
    [0.25, "x"],
    [0.5, NAN],
    [INF, 0.5],
    [[0.1], [0.2, 0.3]],
]


def build(record, **changes):
    return record(**{**RECORDS[record], **changes})


def refusal(record, field, value):
    """The one line with which a record refuses a value of one field."""
    with pytest.raises(ValueError, match=r".") as caught:
        build(record, **{field: value})
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{record.__name__}.{field} = ")
    assert ": must be " in message
    return message


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
@pytest.mark.parametrize(("record", "field"), NUMERIC_FIELDS)
def test_what_is_not_a_finite_number_is_refused_in_every_field(record, field, value):
    assert field in refusal(record, field, value)


@pytest.mark.parametrize(("record", "field"), NUMERIC_FIELDS)
def test_an_empty_list_is_refused_in_every_field(record, field):
    with pytest.raises(ValueError, match=rf"\A{record.__name__}\.[^\n]*: must be [^\n]*\Z"):
        build(record, **{field: []})


@pytest.mark.parametrize(
    ("record", "field", "value", "shown", "allowed"),
    [
        (System, "num_devices", 0, "0", "[1, inf)"),
        (System, "aoi_preference", -0.25, "-0.25", "[0, 1]"),
        (System, "aoi_preference", 1.25, "1.25", "[0, 1]"),
        (System, "aoi_preference", np.array([0.5, 1.25]), "[0.5, 1.25]", "[0, 1]"),
        (System, "unit_profit", 0.0, "0.0", "(0, inf)"),
        (System, "unit_profit", -1.0, "-1.0", "(0, inf)"),
        (System, "slot_duration", 0.0, "0.0", "(0, inf)"),
        (System, "slot_duration", -1e-3, "-0.001", "(0, inf)"),
        (System, "min_frequency", 0.0, "0.0", "[1e-06, 1]"),
        (System, "max_frequency", 1.5, "1.5", "[1e-06, 1]"),
        (NetworkState, "max_aoi", 0.0, "0.0", "positive, in seconds"),
        (NetworkState, "max_latency", -0.5, "-0.5", "positive, in seconds"),
        (NetworkState, "type_probs", [-0.25, 1.25], "[-0.25, 1.25]", "non-negative"),
        (NetworkState, "type_probs", [0.25, 0.5], "[0.25, 0.5]", "sum to 1"),
        (NetworkState, "type_probs", [0.5, 0.50001], "[0.5, 0.5000", "sum to 1"),
        (NetworkState, "type_probs", [0.5, 0.499995], "[0.5, 0.4999", "sum to 1"),
        (NetworkState, "type_probs", 1.0, "1.0", "one probability for each device type"),
        (NetworkState, "device_types", [12.0, 2.0], "[12.0, 2.0]", "ascending"),
        (NetworkState, "device_types", [0.0, 2.0], "[0.0, 2.0]", "positive"),
        (NetworkState, "device_types", [-1.0, 2.0], "[-1.0, 2.0]", "positive"),
        (NetworkState, "device_types", [1e-39, 2.0], "e-39, 2.0]", "positive"),
        (NetworkState, "device_types", [1.0, 2.0, 3.0], "[1.0, 2.0, 3.0]", "shape (2,)"),
        (NetworkState, "device_types", 2.0, "2.0", "shape (2,)"),
        (NetworkState, "max_aoi", [0.5], "[0.5]", "shape ()"),
        (Contract, "payment", [0.5], "[0.5]", "shape of frequency, (2,)"),
        (NetworkDistribution, "aoi_range", (1.0, 0.5), "1.0, 0.5", "2 positive numbers, ascending"),
        (NetworkDistribution, "aoi_range", (0.5, 0.7, 0.9), "0.5, 0.7, 0.9", "2 positive numbers"),
        (NetworkDistribution, "latency_range", (0.0, 0.5), "0.0, 0.5", "2 positive numbers"),
        (NetworkDistribution, "type_edges", (4.0,), "4.0", "K + 1 positive numbers"),
        (NetworkDistribution, "type_edges", (8.0, 1.0, 15.0), "8.0, 1.0, 15.0", "ascending"),
        (NetworkDistribution, "concentration", 0.0, "0.0", "(0, inf)"),
        (EnvParams, "penalty", 1.0, "1.0", "(-inf, 0]"),
        (EnvParams, "violation_price", -1.0, "-1.0", "[0, inf)"),
        (EnvParams, "tolerance", -1e-9, "-1e-09", "[0, inf)"),
        (EnvParams, "episode_length", 0, "0", "a whole number in [1, inf)"),
        (EnvParams, "episode_length", 2.5, "2.5", "a whole number in [1, inf)"),
        (EnvParams, "system", None, "None", "System"),
        (EnvParams, "system", "paper", "'paper'", "System"),
        (EnvParams, "distribution", None, "None", "NetworkDistribution"),
        (ContractEnv, "num_types", 0, "0", "a whole number in [1, inf)"),
        (ContractEnv, "num_types", 2.0, "2.0", "a whole number in [1, inf)"),
        (ContractEnv, "num_types", [2, 3], "[2, 3]", "a whole number in [1, inf)"),
        (ContractEnv, "actions", "box", "'box'", "one of feasible, raw"),
        (ContractEnv, "actions", None, "None", "one of feasible, raw"),
        (ContractEnv, "actions", ["raw"], "['raw']", "one of feasible, raw"),
        (ContractEnv, "reward", "hard", "'hard'", "one of centred, paper"),
        (ContractEnv, "reward", 1, "1", "one of centred, paper"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(record, field, value, shown, allowed):
    message = refusal(record, field, value)
    given_part, _, allowed_part = message.partition(": must be ")
    assert shown in given_part
    assert allowed in allowed_part


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (NetworkState, "max_aoi", 1e39),
        (NetworkState, "device_types", [2.0, 1e39]),
        (Contract, "payment", [0.05, 1e39]),
        (NetworkDistribution, "type_edges", (1.0, 8.0, 1e39)),
    ],
)
def test_what_overflows_in_single_precision_is_refused(record, field, value):
    assert "e+39" in refusal(record, field, value)


@pytest.mark.parametrize("greatest", [0.25, np.array([0.6, 0.25])])
def test_the_least_frequency_may_not_exceed_the_greatest(greatest):
    with pytest.raises(ValueError, match=r"^System.min_frequency = 0.5: must be at most max_frequency = .*$"):
        System(min_frequency=0.5, max_frequency=greatest)


def test_the_two_bounds_on_frequency_may_coincide():
    assert System(min_frequency=0.25, max_frequency=0.25).min_frequency == 0.25


def test_a_long_value_is_shortened():
    message = refusal(NetworkState, "type_probs", [0.5] * 400)
    assert len(message) < 300


def test_a_contract_has_a_payment_for_every_frequency():
    with pytest.raises(ValueError, match=r"^Contract.payment = .* the shape of frequency, \(0,\)$"):
        Contract(frequency=[], payment=[0.05, 0.06])


def test_the_env_refuses_numbers_of_another_number_of_types():
    env, params = ContractEnv(num_types=3), ContractEnv(num_types=2).default_params
    with pytest.raises(ValueError, match=r"\A[^\n]*num_types[^\n]*\Z"):
        env.reset(jax.random.key(0), params)


def test_whole_numbers_of_numpy_are_whole_numbers():
    env = ContractEnv(num_types=np.int64(3))
    assert env.default_params.distribution.num_types == 3
    assert env == ContractEnv(num_types=3)
    assert hash(env) == hash(ContractEnv(num_types=3))


@pytest.mark.parametrize("num_types", [0, -1, 2.0, None, "2", True, [2], NAN])
def test_equal_bands_need_a_number_of_types(num_types):
    with pytest.raises(ValueError, match=r"^NetworkDistribution.num_types = [^\n]*: must be a whole number"):
        NetworkDistribution.equal_bands(num_types)


sizes = st.integers(1, 6)
positive = st.floats(1e-3, 1e3)


@st.composite
def state_fields(draw):
    size = draw(sizes)
    weights = draw(st.lists(st.floats(0.01, 1.0), min_size=size, max_size=size))
    types = draw(st.lists(positive, min_size=size, max_size=size))
    return {
        "max_aoi": draw(positive),
        "max_latency": draw(positive),
        "type_probs": [weight / sum(weights) for weight in weights],
        "device_types": sorted(types),
    }


@settings(deadline=None, max_examples=50)
@given(fields=state_fields())
def test_every_good_state_is_kept_as_arrays_of_floats(fields):
    state = NetworkState(**fields)
    for name, value in fields.items():
        kept = getattr(state, name)
        assert isinstance(kept, jax.Array)
        assert kept.dtype == jnp.float32
        np.testing.assert_array_equal(kept, np.asarray(value, np.float32))


@settings(deadline=None, max_examples=50)
@given(fields=state_fields(), data=st.data())
def test_one_bad_number_anywhere_spoils_a_state(fields, data):
    name = data.draw(st.sampled_from(sorted(fields)))
    bad = data.draw(st.sampled_from([NAN, INF, -INF, -0.5, "1"]))
    value = fields[name]
    if isinstance(value, list):
        place = data.draw(st.integers(0, len(value) - 1))
        spoiled = [*value[:place], bad, *value[place + 1 :]]
    else:
        spoiled = bad
    with pytest.raises(ValueError, match=rf"\ANetworkState\.{name} = [^\n]*: must be [^\n]*\Z"):
        NetworkState(**{**fields, name: spoiled})


@settings(deadline=None, max_examples=50)
@given(fields=state_fields(), excess=st.floats(2e-6, 0.5), sign=st.sampled_from([-1, 1]))
def test_shares_that_do_not_sum_to_one_are_refused(fields, excess, sign):
    probs = [prob * (1 + sign * excess) for prob in fields["type_probs"]]
    with pytest.raises(ValueError, match=r"\ANetworkState\.type_probs = [^\n]*sum to 1[^\n]*\Z"):
        NetworkState(**{**fields, "type_probs": probs})


@settings(deadline=None, max_examples=50)
@given(types=st.lists(st.integers(1, 1000), min_size=2, max_size=6, unique=True).map(sorted), data=st.data())
def test_types_out_of_order_are_refused(types, data):
    shuffled = data.draw(st.permutations(types).filter(lambda order: list(order) != types))
    with pytest.raises(ValueError, match=r"\ANetworkState\.device_types = [^\n]*ascending[^\n]*\Z"):
        NetworkState(
            max_aoi=0.9, max_latency=0.7, type_probs=[1 / len(types)] * len(types), device_types=shuffled
        )


def test_equal_types_and_shares_of_zero_are_allowed():
    state = build(NetworkState, type_probs=[0, 1, 0], device_types=[2, 2, 12])
    assert state.device_types.tolist() == [2, 2, 12]


def test_lists_tuples_whole_numbers_and_numpy_become_arrays():
    contract = Contract(frequency=(1, 0), payment=np.array([2, 3]))
    assert contract.frequency.dtype == contract.payment.dtype == jnp.float32
    state = build(NetworkState, max_aoi=1, max_latency=np.float64(0.5), device_types=(2, 4))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))


@pytest.mark.usefixtures("float64")
def test_records_are_double_where_jax_is():
    assert {leaf.dtype for leaf in jax.tree.leaves(build(NetworkState))} == {np.dtype("float64")}


def test_a_list_in_a_system_becomes_one_array():
    system = System(aoi_preference=[0.25, 0.75])
    assert jnp.shape(system.aoi_preference) == (2,)
    assert len(jax.tree.leaves(system)) == len(dataclasses.fields(System))


def test_a_batch_of_states_is_checked_in_every_row():
    good = {
        "max_aoi": [0.9, 0.8],
        "max_latency": [0.7, 0.6],
        "type_probs": [[0.25, 0.75], [0.5, 0.5]],
        "device_types": [[2.0, 12.0], [3.0, 3.0]],
    }
    assert NetworkState(**good).type_probs.shape == (2, 2)
    for name, value in (
        ("max_aoi", 0.9),
        ("max_latency", [0.7, -0.6]),
        ("type_probs", [[0.25, 0.75], [0.5, 0.25]]),
        ("device_types", [[2.0, 12.0], [4.0, 3.0]]),
    ):
        with pytest.raises(ValueError, match=rf"\ANetworkState\.{name} = [^\n]*\Z"):
            NetworkState(**{**good, name: value})


@pytest.mark.parametrize("record", [System, NetworkState, Contract, NetworkDistribution, EnvParams])
def test_records_are_trees_of_their_traced_fields(record):
    made = build(record)
    leaves, structure = jax.tree.flatten(made)
    same = jax.tree.unflatten(structure, leaves)
    assert type(same) is record
    assert all(one is other for one, other in zip(leaves, jax.tree.leaves(same), strict=True))
    for changed in (jax.jit(lambda part: part)(made), jax.tree.map(jnp.asarray, made)):
        assert type(changed) is record
        assert jax.tree.structure(changed) == structure
        for before, after in zip(leaves, jax.tree.leaves(changed), strict=True):
            np.testing.assert_array_equal(np.asarray(before, after.dtype), after)


@pytest.mark.parametrize("record", [System, NetworkState, Contract, NetworkDistribution, EnvParams])
@pytest.mark.parametrize("leaf", ["a word", None, object(), NAN, -1.0, [1.0]])
def test_jax_may_put_anything_in_a_record(record, leaf):
    rebuilt = jax.tree.map(lambda _: leaf, build(record))
    assert type(rebuilt) is record


def test_rebuilding_does_not_call_the_constructor(monkeypatch):
    state = build(NetworkState)

    def called(_):
        raise AssertionError("the constructor ran")

    monkeypatch.setattr(NetworkState, "__post_init__", called)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, -leaf]), state)
    rebuilt = jax.jit(jax.vmap(lambda part: part))(stacked)
    np.testing.assert_array_equal(rebuilt.device_types, stacked.device_types)


def test_paths_name_the_fields():
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(build(EnvParams))]
    assert ".system.aoi_preference" in paths
    assert ".distribution.type_edges" in paths
    assert ".episode_length" in paths
    assert not any("concentration" in path for path in paths)


def test_a_state_may_be_built_from_tracers():
    def total(probs, types):
        state = NetworkState(max_aoi=0.9, max_latency=0.7, type_probs=probs, device_types=types)
        return jnp.sum(state.type_probs * state.device_types)

    probs, types = jnp.array([[0.25, 0.75], [0.5, 0.5]]), jnp.array([[2.0, 12.0], [4.0, 6.0]])
    np.testing.assert_allclose(jax.jit(jax.vmap(total))(probs, types), [9.5, 5.0])
    np.testing.assert_allclose(jax.grad(total)(probs[0], types[0]), types[0])


def test_a_sweep_over_one_constant_is_a_vmap():
    systems = System(aoi_preference=np.linspace(0.0, 1.0, 5))
    axes = jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) else None, systems)
    swept = jax.vmap(lambda system: system.aoi_preference * system.num_devices, in_axes=(axes,))(systems)
    np.testing.assert_allclose(swept, [0.0, 10.0, 20.0, 30.0, 40.0])


@pytest.mark.parametrize(
    ("record", "field", "good", "bad"),
    [
        (System, "aoi_preference", 0.5, 1.5),
        (System, "min_frequency", 0.5, 2.0),
        (NetworkState, "device_types", [3.0, 4.0], [4.0, 3.0]),
        (Contract, "payment", [0.1, 0.2], [0.1]),
        (NetworkDistribution, "aoi_range", (0.25, 0.5), (0.5, 0.25)),
        (EnvParams, "episode_length", 3, 0),
        (ContractEnv, "actions", "raw", "box"),
    ],
)
def test_replace_checks_what_it_puts_in(record, field, good, bad):
    made = build(record)
    replaced = made.replace(**{field: good})
    if isinstance(good, str):
        assert getattr(replaced, field) == good
    else:
        np.testing.assert_allclose(getattr(replaced, field), good, rtol=1e-6)
    others = [other.name for other in dataclasses.fields(record) if other.name != field]
    for name in others:
        jax.tree.map(np.testing.assert_array_equal, getattr(replaced, name), getattr(made, name))
    with pytest.raises(ValueError, match=rf"\A{record.__name__}\.{field} = [^\n]*\Z"):
        made.replace(**{field: bad})


def test_replacing_one_bound_checks_it_against_the_other():
    with pytest.raises(
        ValueError, match=r"System.min_frequency = 0.0001: must be at most max_frequency = 5e-05"
    ):
        System().replace(max_frequency=0.00005)


@pytest.mark.parametrize("record", list(RECORDS))
def test_records_are_frozen_and_take_fields_by_name_only(record):
    made = build(record)
    field = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, field, 1.0)
    with pytest.raises(TypeError):
        record(0.5)
    with pytest.raises(TypeError, match="no_such_field"):
        record(no_such_field=0.5)


@pytest.mark.parametrize("record", list(RECORDS))
def test_records_survive_a_pickle(record):
    made = build(record)
    same = pickle.loads(pickle.dumps(made))
    assert jax.tree.structure(same) == jax.tree.structure(made)
    for one, other in zip(jax.tree.leaves(made), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_contract_or_an_action_of_other_types_is_refused_in_one_line():
    state, env = NetworkState(**RECORDS[NetworkState]), ContractEnv()
    one_item = Contract(frequency=[0.1], payment=[0.05])
    for judge in (jc.certify, jc.station_utility, jc.centred_utility):
        with pytest.raises(ValueError, match=r"of shape \(1,\): must be one for each of 2 device types"):
            judge(System(), state, one_item)
    with pytest.raises(ValueError, match=r"an action of shape \(3,\): must be \(4,\)"):
        env.contract(state, jnp.zeros(3))
    with pytest.raises(ValueError, match="num_states = 0: must be a whole number"):
        jc.unseen_states(NetworkDistribution(), 0)


@pytest.mark.parametrize("short", [jnp.bfloat16, jnp.float16])
def test_short_floating_point_numbers_are_numbers_and_made_longer(short):
    made = Contract(frequency=jnp.asarray([0.25, 0.5], short), payment=[0.5, 1.0])
    assert made.frequency.dtype == jnp.float32
    assert made.frequency.tolist() == [0.25, 0.5]
    fields = {"max_aoi": 0.75, "max_latency": 0.75, "type_probs": [0.5, 0.5], "device_types": [2.0, 12.0]}
    columns = [jnp.asarray(value, short) for value in fields.values()]

    def best(*columns):
        state = NetworkState(**dict(zip(fields, columns, strict=True)))
        return jc.certify(System(), state, jc.optimal_contract(System(), state)).feasible

    assert best(*columns)
    assert jax.jit(best)(*columns)
    with pytest.raises(ValueError, match="must be finite numbers"):
        Contract(frequency=jnp.asarray([NAN, 0.5], short), payment=[0.5, 1.0])


def test_shapes_are_looked_at_under_jit_too():
    state = NetworkState(**RECORDS[NetworkState])
    contract = Contract(**RECORDS[Contract])
    with pytest.raises(ValueError, match=r"type_probs of shape \(1,\): must be one for each of 2"):
        jax.jit(
            lambda probs: jc.station_utility(System(), dataclasses.replace(state, type_probs=probs), contract)
        )(jnp.ones(1))
    with pytest.raises(ValueError, match=r"payment of shape \(1,\): must be one for each of 2"):
        jax.jit(lambda paid: jc.certify(System(), state, dataclasses.replace(contract, payment=paid)))(
            jnp.ones(1)
        )
    with pytest.raises(ValueError, match=r"a vector of shape \(3,\): must be \(4,\)"):
        jax.jit(jc.feasible_contract)(System(), state, jnp.zeros(3))


def test_whole_numbers_are_numbers_to_derive_by():
    slope = jax.grad(lambda system: system.num_devices * system.unit_profit)(
        System(num_devices=50, unit_profit=7)
    )
    assert (float(slope.num_devices), float(slope.unit_profit)) == (7.0, 50.0)
    assert ContractEnv(num_types=3).num_types == 3


def test_a_distribution_takes_traced_edges_in_a_list():
    draw = jax.jit(
        lambda edge: jc.sample_network(jax.random.key(0), NetworkDistribution(type_edges=(1.0, edge, 15.0)))
    )
    expected = jc.sample_network(jax.random.key(0), NetworkDistribution(type_edges=(1.0, 8.0, 15.0)))
    np.testing.assert_allclose(draw(8.0).device_types, expected.device_types, rtol=1e-6)


@pytest.mark.parametrize("record", list(RECORDS))
def test_records_are_equal_by_value(record):
    made, same = build(record), build(record)
    assert (made == same) is True
    assert (made != same) is False
    assert hash(made) == hash(same)
    assert {made: "found"}[same] == "found"
    field = {System: "aoi_preference", ContractEnv: "num_types", EnvParams: "episode_length"}
    name = field.get(record, dataclasses.fields(record)[0].name)
    value = getattr(made, name)
    other = made.replace(**{name: value * 0.5 if record not in (ContractEnv, EnvParams) else value + 1})
    assert (made == other) is False
    assert made != vars(made)
    assert (made == jax.tree.map(np.asarray, made)) is True, "NumPy's arrays hold the same numbers"


def test_a_field_that_differs_anywhere_makes_records_differ():
    state = build(NetworkState)
    assert state != state.replace(device_types=[2.0, 12.5])
    assert Contract(frequency=[0.1], payment=[0.1]) != Contract(frequency=[[0.1]], payment=[[0.1]])
    assert EnvParams() != EnvParams(system=System(aoi_preference=0.5))
    sweep = System(aoi_preference=[0.25, 0.75])
    assert sweep == System(aoi_preference=np.array([0.25, 0.75]))
    assert sweep != System(aoi_preference=[0.25, 0.5])
    assert sweep != System()
    assert NetworkDistribution(concentration=0.5) != NetworkDistribution()
    assert jc.PPOConfig(learning_rate=[1e-3, 1e-2]) != jc.PPOConfig(learning_rate=1e-3)
    assert ContractEnv().action_space() == ContractEnv().action_space()
    assert ContractEnv().action_space() != ContractEnv(actions="raw").action_space()


def test_certificates_and_reports_are_equal_by_value_too():
    nothing = jax.tree.map(lambda leaf: leaf * NAN, build(Contract))
    certificates = [jax.jit(jc.certify)(System(), build(NetworkState), nothing) for _ in range(2)]
    assert np.isnan(certificates[0].max_violation)
    assert certificates[0] == certificates[1], "a record is equal to itself, NaN and all"
    states = jc.unseen_states(NetworkDistribution(), 10)
    env = ContractEnv(actions="raw")
    reports = [jc.evaluate(lambda seen: 0.1 * seen[:4], env, states=states) for _ in range(2)]
    assert np.isnan(reports[0].regrets).any()
    assert reports[0] == reports[1]
    assert reports[0] != dataclasses.replace(reports[1], num_states=11)


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Doubled(System):
    factor: float = 2.0


def test_a_record_of_ones_own_is_equal_by_value_as_it_is_written():
    assert Doubled(aoi_preference=[0.25, 0.75]) == Doubled(aoi_preference=[0.25, 0.75])
    assert Doubled() != Doubled(factor=3.0)
    assert Doubled() != System()
    assert hash(Doubled()) == hash(Doubled(factor=2))


def test_records_that_are_traced_say_that_they_cannot_be_compared():
    state = build(NetworkState)

    def agrees(probs):
        return jnp.float32(dataclasses.replace(state, type_probs=probs) == state)

    with pytest.raises(TypeError, match=r"NetworkState: == compares numbers, which JAX is still tracing"):
        jax.jit(agrees)(state.type_probs)
    assert jax.jit(lambda traced: jnp.float32(traced == traced))(state) == 1.0


def test_static_records_are_looked_up_by_value():
    traces = []

    def play(env, params, key):
        traces.append(env)
        return env.observation_space(params).high + jax.random.uniform(key)

    compiled = jax.jit(play, static_argnums=(0, 1))
    for _ in range(2):
        compiled(ContractEnv(num_types=3), ContractEnv(num_types=3).default_params, jax.random.key(0))
    assert len(traces) == 1
    compiled(
        ContractEnv(num_types=3, actions="raw"), ContractEnv(num_types=3).default_params, jax.random.key(0)
    )
    compiled(ContractEnv(), EnvParams(), jax.random.key(0))
    assert len(traces) == 3
