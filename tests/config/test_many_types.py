"""What a training begins with where there are many types."""

import pytest

from jaxcontract.cli.options import OneLineParser
from jaxcontract.cli.setting_options import add_setting_options, setting_from_options
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import change
from jaxcontract.learning.networks.deep_sets import DeepSets
from jaxcontract.learning.networks.mlp import MLP


def setting_of(line, fitted=None):
    arguments = line.split()
    parser = OneLineParser(prog="test")
    add_setting_options(parser, arguments)
    return setting_from_options(parser.parse_args(arguments), fitted)[1]


def test_two_types_begin_as_the_preset_says():
    assert setting_of("") == PRESETS["default"]
    assert setting_of("--num-types 2") == PRESETS["default"]


@pytest.mark.parametrize("line", ["--num-types 3", "--num-types 32 --preset stress"])
def test_many_types_share_weights(line):
    algorithm = setting_of(line).algorithm
    assert type(algorithm.network) is DeepSets
    assert algorithm.replace(network=MLP()) == PRESETS["default"].algorithm


def test_more_actions_are_tried_in_a_state_of_very_many_types():
    assert setting_of("--num-types 64").algorithm.group_size == 8
    assert setting_of("--num-types 65").algorithm.group_size == 16
    assert setting_of("--num-types 65 --network mlp").algorithm.group_size == 8
    assert setting_of("--num-types 65 --group-size 4").algorithm.group_size == 4


def test_the_gradient_has_numbers_of_its_own():
    algorithm = setting_of("--algorithm gradient --num-types 8").algorithm
    assert type(algorithm.network) is DeepSets
    assert (algorithm.num_updates, algorithm.num_envs) == (1200, 128)
    assert setting_of("--algorithm gradient").algorithm.num_envs == 2048


def test_a_file_of_many_types_counts_like_the_option():
    assert type(setting_of("", {"num_types": 4}).algorithm.network) is DeepSets
    assert type(setting_of("", {"num_types": 2}).algorithm.network) is MLP


@pytest.mark.parametrize(
    "line", ["--network mlp", "--hidden-sizes 8", "--preset raw", "--preset paper", "--actions raw"]
)
def test_what_is_asked_for_otherwise_stays(line):
    algorithm = setting_of(f"--num-types 8 {line}").algorithm
    assert type(algorithm.network) is MLP


def test_an_option_comes_before_what_many_types_begin_with():
    algorithm = setting_of("--num-types 8 --num-updates 7 --epochs 3 --group-size 4").algorithm
    assert (algorithm.num_updates, algorithm.epochs, algorithm.group_size) == (7, 3, 4)


@pytest.mark.parametrize("line", ["--discount 0.9", "--num-envs 4 --minibatches 2", "--minibatches 512"])
def test_a_critic_stays_where_groups_cannot_stand_in_for_it(line):
    for types in (2, 8):
        algorithm = setting_of(f"--num-types {types} {line}").algorithm
        assert (algorithm.group_size, algorithm.epochs, algorithm.clip_range) == (1, 4, 0.3)


def test_what_goes_with_a_critic_can_still_be_asked_for():
    algorithm = setting_of("--discount 0.9 --epochs 7").algorithm
    assert (algorithm.group_size, algorithm.epochs, algorithm.clip_range) == (1, 7, 0.3)


def test_shared_weights_can_be_asked_for_at_two_types():
    assert setting_of("--network deep_sets --algorithm gradient").algorithm.num_envs == 128


def test_a_preset_changed_in_python_is_what_it_says():
    assert type(change(PRESETS["default"], {"num_types": 8}).algorithm.network) is MLP
