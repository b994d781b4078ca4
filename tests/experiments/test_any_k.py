"""The committed policy of any number of types: it loads on a fresh clone, and is as good as is said of it."""

import json

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.design import command
from paths import EXPERIMENTS

pytestmark = pytest.mark.usefixtures("compiled_quickly")

DIRECTORY = EXPERIMENTS / "policies" / "any_k"
LARGE = EXPERIMENTS / "policies" / "any_k_256"
WORST = {2: 0.01, 24: 0.02, 64: 0.04}  # gaps that it must not exceed


@pytest.mark.long
def test_its_gap_is_small_at_every_number_of_types():
    policy, (env, params) = jc.load_policy(DIRECTORY), jc.load_env(DIRECTORY)
    assert (env.fewest_types, env.num_types, env.leave_out_types) == (2, 64, (5, 24))
    for size, report in jc.evaluate_by_size(policy, env, params, sizes=list(WORST), num_states=100).items():
        assert report.feasible == 1.0
        assert report.screening_gap < WORST[size]


@pytest.mark.long
def test_the_one_up_to_256_types_holds_what_is_said_of_it():
    policy, (env, params) = jc.load_policy(LARGE), jc.load_env(LARGE)
    assert (env.fewest_types, env.num_types, env.leave_out_types) == (2, 256, (5, 24, 100))
    for size, report in jc.evaluate_by_size(policy, env, params, sizes=[2, 100, 256], num_states=64).items():
        assert report.feasible == 1.0
        assert report.screening_gap < {2: 0.01, 100: 0.02, 256: 0.05}[size]


@pytest.mark.long
def test_what_is_exported_agrees_with_jax_at_any_number_of_types(tmp_path):
    policy, (env, params) = jc.load_policy(LARGE), jc.load_env(LARGE)
    jc.export_policy(LARGE, tmp_path / "policy.jaxexport")
    exported = jc.load_exported(tmp_path / "policy.jaxexport")
    plain = jc.load_numpy_policy(tmp_path / "policy.jaxexport")
    for size in (2, 17, 256):
        law = jc.NetworkDistribution(type_edges=np.linspace(1.0, 15.0, size + 1).tolist())
        state = jax.tree.map(lambda leaf: leaf[0], jc.unseen_states(law, 1, seed=size))
        padded = jc.pad_network(state, 256)
        expected = env.contract(padded, policy(jc.observe(params.system, padded)), params)
        for found in (exported(state), plain(state)):
            for name in ("frequency", "payment"):
                wanted = np.asarray(getattr(expected, name))[:size]
                np.testing.assert_allclose(getattr(found, name), wanted, rtol=0, atol=1e-6)


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
