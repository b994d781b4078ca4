"""The committed policy of any number of types: it loads on a fresh clone, and is as good as is said of it."""

import json

import numpy as np

import jaxcontract as jc
from jaxcontract.cli.design import command
from paths import EXPERIMENTS

DIRECTORY = EXPERIMENTS / "policies" / "any_k"
WORST = {2: 0.01, 24: 0.02, 64: 0.04}  # gaps that it must not exceed


def test_its_gap_is_small_at_every_number_of_types():
    policy, (env, params) = jc.load_policy(DIRECTORY), jc.load_env(DIRECTORY)
    assert (env.fewest_types, env.num_types, env.leave_out_types) == (2, 64, (5, 24))
    for size, report in jc.evaluate_by_size(policy, env, params, sizes=list(WORST), num_states=100).items():
        assert report.feasible == 1.0
        assert report.screening_gap < WORST[size]


def test_it_designs_the_contract_of_a_network_of_four_types(tmp_path):
    out = tmp_path / "designed"
    network = str(EXPERIMENTS / "examples" / "network.json")
    assert command.main([network, "--policy", str(DIRECTORY), "--out", str(out)]) == 0
    found = json.loads((out / "contract.json").read_text("utf-8"))
    assert (found["networks"], found["feasible"]) == (1, 1)
    assert 0 <= found["mean_regret"] < 0.01  # one item for all: 0.54


def test_a_network_of_too_many_types_is_refused(tmp_path, capsys):
    file = tmp_path / "network.json"
    types = np.linspace(1, 15, 65).tolist()
    state = {"max_aoi": 0.9, "max_latency": 0.8, "type_probs": [1 / 65] * 65, "device_types": types}
    file.write_text(json.dumps({"states": [state]}))
    assert command.main([str(file), "--policy", str(DIRECTORY), "--out", str(tmp_path / "designed")]) == 2
    assert "is for 2 to 64 types, the networks have 65" in capsys.readouterr().err
