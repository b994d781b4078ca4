"""Networks of various numbers of types in one program: what is padded, drawn, measured and refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.options import OneLineParser
from jaxcontract.cli.setting_options import add_setting_options, setting_from_options
from jaxcontract.config.setting import setting_from_dict
from jaxcontract.evaluation.by_size import find_shown_sizes
from jaxcontract.learning.algorithms.gradient.gradient import GradientConfig, init
from jaxcontract.mechanism.places import find_taken

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PLACES = 6
ENV = jc.ContractEnv(num_types=PLACES, fewest_types=2, leave_out_types=(4,))
SMALL = jc.DeepSets(item_units=8, message_units=3)
CONFIG = GradientConfig(num_updates=100, num_envs=64, network=SMALL)
SYSTEM = jc.System()


@pytest.fixture(scope="module")
def drawn():
    return jc.unseen_states(ENV.default_params.distribution, 4000)


@pytest.fixture(scope="module")
def learner():
    trained, _ = jax.jit(jc.train, static_argnames="env")(jax.random.key(0), ENV, ENV.default_params, CONFIG)
    return trained


def network_of(size):
    return jc.unseen_states(jc.NetworkDistribution.equal_bands(size), 1)


def first(batch):
    return jax.tree.map(lambda leaf: leaf[0], batch)


def test_sizes_are_drawn_as_often_as_they_should_be(drawn):
    found = np.sum(np.asarray(drawn.type_probs) > 0, axis=1)
    assert set(found) == {2, 3, 5, 6}
    expected = np.array([1 / 2, 1 / 3, 1 / 5, 1 / 6])
    shares = np.array([np.mean(found == size) for size in (2, 3, 5, 6)])
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.03)


def test_types_lie_in_the_bands_of_their_number(drawn):
    types, probs = np.asarray(drawn.device_types), np.asarray(drawn.type_probs)
    for row, shares in zip(types[:300], probs[:300], strict=True):
        size = np.count_nonzero(shares)
        edges = np.linspace(1, 15, size + 1)
        assert np.all((row[:size] >= edges[:-1] - 1e-5) & (row[:size] <= edges[1:] + 1e-5))
        assert np.all(row[size:] == row[size - 1])
        assert np.all(shares[size:] == 0)


def test_shares_are_of_the_dirichlet_law(drawn):
    """Of K types with concentration 1 the variance of a share is (K − 1)/(K² (K + 1))."""
    probs = np.asarray(drawn.type_probs)
    pairs = probs[np.count_nonzero(probs, axis=1) == 2][:, 0]
    assert np.mean(pairs) == pytest.approx(1 / 2, abs=0.02)
    assert np.var(pairs) == pytest.approx(1 / 12, abs=0.01)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_padded_network_has_the_same_optimum_and_utilities(size):
    state = first(network_of(size))
    padded = jc.pad_network(state, PLACES)
    best, same = jc.optimal_contract(SYSTEM, state), jc.optimal_contract(SYSTEM, padded)
    assert float(jc.station_utility(SYSTEM, padded, same)) == pytest.approx(
        float(jc.station_utility(SYSTEM, state, best)), rel=1e-6
    )
    np.testing.assert_allclose(same.frequency[:size], best.frequency, rtol=1e-4)
    assert np.count_nonzero(find_taken(padded.type_probs, padded.device_types)) == size


def test_a_type_without_devices_among_others_is_no_empty_place():
    taken = find_taken(jnp.array([0.0, 0.5, 0.0, 0.5, 0.0, 0.0]), jnp.array([1.0, 2.0, 2.0, 3.0, 4.0, 4.0]))
    assert taken.tolist() == [True, True, True, True, True, False]


def test_what_an_action_says_of_empty_places_changes_nothing():
    state = jc.pad_network(first(network_of(3)), PLACES)
    action = np.linspace(-1, 1, 2 * PLACES)
    other = action.copy()
    other[[3, 4, 5, 9, 10, 11]] = (5, -7, 2, 8, -9, 1)
    one, two = ENV.contract(state, action), ENV.contract(state, other)
    assert one == two
    assert np.all(one.frequency[3:] == one.frequency[2])
    assert np.all(one.payment[3:] == one.payment[2])
    alone = jc.ContractEnv(num_types=3).contract(first(network_of(3)), action[[0, 1, 2, 6, 7, 8]])
    np.testing.assert_allclose(one.frequency[:3], alone.frequency, rtol=1e-6)
    np.testing.assert_allclose(one.payment[:3], alone.payment, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_network_gives_a_padded_list_the_actions_of_the_list(size):
    shapes = jax.eval_shape(
        lambda: SMALL.init(jax.random.key(0), 4 + 2 * PLACES, 2 * PLACES, ENV.item_layout())
    )
    generator = np.random.default_rng(size)
    weights = jax.tree.map(lambda leaf: generator.normal(scale=0.5, size=leaf.shape), shapes)
    shares, features = generator.dirichlet(np.ones(size)), np.sort(generator.uniform(-1, 1, size))
    empty = PLACES - size
    whole = [0.0, 0.0, 0.3, -0.4]
    short = np.array([*whole, *(2 * shares - 1), *features])
    padded = [*whole, *(2 * shares - 1), *[-1.0] * empty, *features, *[features[-1]] * empty]
    found = SMALL.apply(weights, np.array(padded)).reshape(2, PLACES)
    np.testing.assert_allclose(found[:, :size], SMALL.apply(weights, short).reshape(2, size), rtol=1e-9)
    assert np.all(found[:, size:] == 0)


def test_observations_are_within_their_space(drawn):
    space = ENV.observation_space()
    seen = jax.vmap(jc.observe, in_axes=(None, 0))(SYSTEM, drawn)
    assert bool(jnp.all(jax.vmap(space.contains)(seen)))
    assert ENV.action_space().shape == (2 * PLACES,)


def test_one_training_serves_every_number_of_types(learner):
    reports = jc.evaluate_by_size(learner.policy, ENV, num_states=300)
    assert list(reports) == find_shown_sizes(ENV) == [2, 3, 4, 5, 6]
    fresh = jc.evaluate_by_size(
        init(jax.random.key(0), ENV, ENV.default_params, CONFIG).policy, ENV, sizes=[4]
    )
    for report in reports.values():
        assert report.feasible == 1.0
        assert report.screening_gap < 0.5
    assert fresh[4].screening_gap > 0.6


def test_sizes_outside_of_the_range_are_refused(learner):
    for size in (1, 7):
        with pytest.raises(ValueError, match=rf"^evaluate_by_size.sizes = {size}: must be in \[2, 6\]$"):
            jc.evaluate_by_size(learner.policy, ENV, sizes=[size])
        with pytest.raises(ValueError, match=r"^evaluate.states = "):
            jc.evaluate(learner.policy, ENV, states=network_of(size))
    with pytest.raises(ValueError, match=r"^evaluate_by_size.env = 'of 2 types': must be of various"):
        jc.evaluate_by_size(learner.policy, jc.ContractEnv())
    with pytest.raises(ValueError, match=r"^pad_network: 7 types: must be at most 6 places$"):
        jc.pad_network(first(network_of(7)), PLACES)
    with pytest.raises(ValueError, match=r"^pad_network.num_places = 6.5: must be a whole number in"):
        jc.pad_network(first(network_of(2)), 6.5)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"fewest_types": 7}, "ContractEnv.fewest_types = 7: must be in [0, num_types = 6]"),
        ({"fewest_types": 2, "actions": "raw"}, "ContractEnv.fewest_types = 2: must be 0 with raw actions"),
        ({"leave_out_types": (4,)}, "ContractEnv.leave_out_types = (4,): must be whole numbers above fewest"),
        ({"fewest_types": 2, "leave_out_types": (6,)}, "ContractEnv.leave_out_types = (6,): must be whole"),
    ],
)
def test_ranges_that_make_no_sense_are_refused_in_one_line(changes, line):
    with pytest.raises(ValueError, match="must be") as refusal:
        jc.ContractEnv(num_types=6, **changes)
    assert str(refusal.value).startswith(line)


@pytest.mark.parametrize("sizes", [(), (0, 2), (3, 2), (2, 2), (2.5,)])
def test_a_law_of_no_numbers_of_types_is_refused(sizes):
    with pytest.raises(ValueError, match=r"^VariedTypes.sizes = .*: must be whole numbers"):
        jc.VariedTypes(type_edges=(1.0, 15.0), sizes=sizes)


def parse(line):
    parser = OneLineParser(prog="test")
    add_setting_options(parser, line.split())
    return setting_from_options(parser.parse_args(line.split()))[1]


def test_a_command_line_takes_a_range_and_keeps_it_in_json():
    setting = parse("--num-types 2-9 --leave-out-types 4,6 --algorithm gradient")
    rules = setting.game.env
    assert (rules.fewest_types, rules.num_types, rules.leave_out_types) == (2, 9, (4, 6))
    assert rules.sizes == (2, 3, 5, 7, 8, 9)
    assert setting.algorithm.num_updates == 4000
    assert setting_from_dict(setting.as_dict()) == setting
    assert "K = 2-9 without 4, 6" in setting.game.describe()


@pytest.mark.parametrize("text", ["0-4", "9-2", "2-x", "2-", "2-3-4", "x"])
def test_what_is_no_range_is_refused_in_one_line(text, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(f"--num-types {text}")
    assert ended.value.code == 2
    assert "must be a whole number, or two such as 2-64, the lower first" in capsys.readouterr().err
