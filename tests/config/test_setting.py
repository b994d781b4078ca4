"""Settings, presets and the command line made from them."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest

from jaxcontract.cli.options import OneLineParser
from jaxcontract.cli.setting_options import add_setting_options, setting_from_options
from jaxcontract.config.presets import PRESET_MEANINGS, PRESETS
from jaxcontract.config.setting import Setting, change, differences, leaves, setting_from_dict
from jaxcontract.envs.config import ContractGame, ContractRules, EnvOptions
from jaxcontract.envs.contract import ContractEnv
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.networks.mlp import MLP
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.mechanism.system import System


def parse(*arguments):
    parser = OneLineParser(prog="test")
    add_setting_options(parser)
    return setting_from_options(parser.parse_args(list(arguments)))


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_survive_json(preset):
    setting = PRESETS[preset]
    assert setting_from_dict(json.loads(json.dumps(setting.as_dict()))) == setting


def test_equal_settings_hash_alike():
    assert hash(Setting()) == hash(Setting())
    assert Setting() != Setting(algorithm=PPOConfig(epochs=1))


def test_the_default_preset_is_made_of_defaults_but_for_groups_of_actions():
    game = ContractGame(problem=System(), env=ContractRules())
    groups = {"group_size": 8, "epochs": 2, "clip_range": 0.6}
    parts = Setting(game=game, algorithm=PPOConfig(network=MLP(), policy_head=Gaussian(), **groups))
    assert PRESETS["default"] == parts
    assert dataclasses.asdict(ContractEnv()) == dataclasses.asdict(EnvOptions())


def test_the_paper_preset_is_algorithm_one_as_printed():
    paper, rules = PRESETS["paper"].algorithm, PRESETS["paper"].game.env
    assert (rules.actions, rules.reward) == ("raw", "paper")
    assert rules.penalty == -500
    assert paper.batch_size == 512 == rules.episode_length
    assert (paper.discount, paper.gae_lambda, paper.estimator) == (0.95, 1.0, "paper")
    assert paper.learning_rate == paper.final_learning_rate == 1e-4
    assert (paper.clip_range, paper.epochs, paper.value_coefficient) == (0.2, 10, 0.5)
    system = PRESETS["paper"].game.problem
    constants = (system.num_devices, system.aoi_preference, system.unit_profit, system.slot_duration)
    assert constants == (40, 0.75, 100, 24e3 / 24e6)


def test_field_names_are_unique_across_the_records_of_a_setting():
    names = [field.name for _, field, _ in leaves(Setting())]
    assert len(names) == len(set(names))
    assert PRESET_MEANINGS.keys() == PRESETS.keys()


def test_every_leaf_of_a_setting_can_be_changed_by_its_option():
    preset, setting = parse(
        *"--preset default --num-types 8 --aoi-preference 0.5 --hidden-sizes 32,16 --episode-length 7"
        " --no-normalize-advantages --learning-rate 0.01 --reward paper".split()
    )
    expected = change(
        PRESETS["default"],
        {
            "num_types": 8,
            "aoi_preference": 0.5,
            "hidden_sizes": (32, 16),
            "episode_length": 7,
            "normalize_advantages": False,
            "learning_rate": 0.01,
            "reward": "paper",
        },
    )
    assert (preset, setting) == ("default", expected)
    assert set(differences(setting, PRESETS["default"])) == {
        "num_types",
        "aoi_preference",
        "hidden_sizes",
        "episode_length",
        "normalize_advantages",
        "learning_rate",
        "reward",
    }


def test_raw_actions_choose_the_preset_with_their_budget():
    assert parse("--actions", "raw") == ("raw", PRESETS["raw"])
    assert parse("--actions", "raw", "--preset", "default")[0] == "default"
    assert parse("--preset", "paper") == ("paper", PRESETS["paper"])
    assert parse() == ("default", PRESETS["default"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--sedes 5", "unknown option --sedes"),
        ("--num-type 3", "did you mean --num-types?"),
        ("--preset nonsense", "nonsense"),
        ("--epochs three", "--epochs"),
        ("--hidden-sizes 64,x", "whole numbers such as 64,64"),
        ("--actions cooked", "cooked"),
    ],
)
def test_a_bad_command_line_gets_one_line_and_exit_code_two(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(*arguments.split())
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert said in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--aoi-preference 1.5", ("System.aoi_preference = 1.5", "[0, 1]")),
        ("--aoi-preference nan", ("System.aoi_preference = nan", "[0, 1]")),
        ("--num-types 0", ("ContractRules.num_types = 0", "[1, inf)")),
        ("--minibatches 3", ("PPOConfig.minibatches = 3", "divisor of num_envs = 2048")),
        ("--clip-range 0", ("PPOConfig.clip_range = 0.0", "(0, inf)")),
        (
            "--num-envs 8",
            ("PPOConfig.minibatches = 8", "at most num_envs · num_steps / 2 = 4"),
        ),
        ("--initial-std 10", ("Gaussian.initial_std = 10.0", "[5e-05, 7]")),
        ("--penalty 3", ("ContractRules.penalty = 3.0", "0]")),
        ("--hidden-sizes 0", ("MLP.hidden_sizes", "[1, inf)")),
        ("--min-frequency 0.5 --max-frequency 0.2", ("System.min_frequency = 0.5", "max_frequency = 0.2")),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(arguments, words):
    with pytest.raises(ValueError, match="must be") as refusal:
        parse(*arguments.split())
    for word in words:
        assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ppo": {"epoch": 3}}, "setting.algorithm.epoch: unknown"),
        ({"problem": 3}, "setting.problem = 3"),
        ({"system": {"aoi_preference": "high"}}, "System.aoi_preference = 'high'"),
        ({"env": {"num_types": 2.5}}, "ContractRules.num_types = 2.5"),
        ({"options": {"num_types": True}}, "ContractRules.num_types = True"),
        ({"ppo": {"hidden_sizes": []}}, "MLP.hidden_sizes"),
        ({"ppo": {"learning_rate": None}}, "PPOConfig.learning_rate"),
        ([], "setting = []"),
    ],
)
def test_a_bad_setting_in_a_file_is_refused_by_name(values, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        setting_from_dict(values)


def test_help_names_every_field_with_unit_range_and_default_without_jax():
    code = (
        "import sys\n"
        "from jaxcontract.cli.train.command import parse\n"
        "try: parse(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'jax' not in sys.modules, 'jax was imported'\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    words = " ".join(printed.split())
    for _, field, _ in leaves(Setting()):
        assert "--" + field.name.replace("_", "-") in words
        assert field.metadata["allowed"].meaning in words
    assert "[s]" in words
    assert "(default 0.001)" in words
