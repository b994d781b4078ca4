"""From a network to its contract, as a person runs it, against numbers printed and solved elsewhere."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxcontract as jc
from design_command import GOLDEN, HEADER, column, design, rows_of
from jaxcontract.config.presets import PRESETS
from jaxcontract.storage.policies import save_policies
from paths import EXAMPLES, EXPERIMENTS

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    out = tmp_path_factory.mktemp("design") / "out"
    assert design(EXAMPLES / "network.json", "--out", out) == 0
    return out


def test_the_contract_of_the_golden_state(tmp_path, capsys):
    (tmp_path / "n.csv").write_text(HEADER + GOLDEN)
    assert design(tmp_path / "n.csv", "--out", tmp_path / "out") == 0
    items = rows_of(tmp_path / "out" / "items.csv")
    np.testing.assert_allclose(column(items, "frequency"), [0.177056883, 0.381430630], atol=1e-9)
    np.testing.assert_allclose(column(items, "payment"), [0.088528442, 0.105559587], atol=1e-9)
    np.testing.assert_allclose(column(items, "cycle_slots"), 1 / column(items, "frequency"))
    np.testing.assert_allclose(column(items, "rate_hz"), 1000 * column(items, "frequency"))
    rent = column(items, "payment") - column(items, "frequency") / [2, 12]
    np.testing.assert_allclose(column(items, "rent"), rent, atol=1e-15)
    (brought,) = rows_of(tmp_path / "out" / "networks.csv")
    assert float(brought["station_utility"]) == pytest.approx(2547.371481, abs=1e-6)
    assert float(brought["complete_information"]) == pytest.approx(2547.859453, abs=1e-6)
    assert float(brought["pooled"]) == pytest.approx(2547.184666, abs=1e-6)
    assert float(brought["regret"]) == pytest.approx(0, abs=1e-9)
    assert brought["feasible"] == "True"
    printed = capsys.readouterr().out
    for shown in (
        "5.6479",
        "177.1",
        "2547.3715",
        "2547.8595",
        "all 2 IR and 2 IC constraints hold within 1e-09",
    ):
        assert shown in printed


def test_files_of_the_example(example):
    names = {path.name for path in example.iterdir()}
    assert names == {"config.json", "contract.json", "items.csv", "networks.csv", "contract.png"}
    assert (example / "contract.png").read_bytes().startswith(b"\x89PNG")
    held = json.loads((example / "contract.json").read_text())
    (one,) = held["contract_of"]
    assert (held["networks"], held["feasible"], held["left_out_here"]) == (1, 1, 0)
    assert [item["device_type"] for item in one["items"]] == [2, 4, 7, 12]
    assert one["complete_information"] > one["station_utility"] > one["pooled"]


def test_nothing_is_overwritten(example, capsys):
    before = {path: path.read_bytes() for path in example.iterdir()}
    for arguments in ([EXAMPLES / "network.json"], [EXAMPLES / "network.json", "--integer-cycles"]):
        assert design(*arguments, "--out", example) == 2
        assert str(example) in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in example.iterdir()}


def test_formats_say_the_same(tmp_path):
    state = {"max_aoi": 0.95, "max_latency": 0.73, "type_probs": [0.84, 0.16], "device_types": [2, 12]}
    document = {"system": {"unit_profit": 50}, "states": [state, state]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    line = json.dumps({"unit_profit": 50, **state})
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}\n")
    rows = "".join(f"50,{GOLDEN}" for _ in range(2))
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + f"unit_profit,{HEADER}{rows}\n".encode())
    written = []
    for suffix in ("json", "jsonl", "csv"):
        assert design(tmp_path / f"a.{suffix}", "--out", tmp_path / suffix) == 0
        rows = rows_of(tmp_path / suffix / "items.csv")
        written.append([[row[name] for name in row if name != "row"] for row in rows])
    assert written[0] == written[1] == written[2]
    assert len(written[0]) == 4


def test_whole_cycles_and_what_they_lose(tmp_path, capsys):
    assert design(EXAMPLES / "network.json", "--integer-cycles", "--out", tmp_path / "out") == 0
    cycles = column(rows_of(tmp_path / "out" / "items.csv"), "cycle_slots")
    np.testing.assert_allclose(cycles, np.round(cycles), rtol=1e-12)
    (brought,) = rows_of(tmp_path / "out" / "networks.csv")
    lost = float(brought["optimum"]) - float(brought["station_utility"])
    assert lost > 0
    assert f"the optimum earns more: {lost:.4f}" in capsys.readouterr().out


def test_a_policy_and_its_regret(tmp_path, capsys):
    config = jc.PPOConfig(num_updates=4, num_envs=64)
    setting = PRESETS["default"].replace(algorithm=config)
    env = jc.ContractEnv()
    learner, _ = jax.jit(jc.train, static_argnames="env")(jax.random.key(0), env, env.default_params, config)
    save_policies(tmp_path / "policy", {0: learner.policy}, setting)
    (tmp_path / "n.csv").write_text(HEADER + GOLDEN + "0.95,0.73,0.84,0.16,2,16\n")
    command = (tmp_path / "n.csv", "--policy", tmp_path / "policy", "--out", tmp_path / "out")
    assert design(*command) == 0
    states = jc.NetworkState(
        max_aoi=[0.95] * 2,
        max_latency=[0.73] * 2,
        type_probs=[[0.84, 0.16]] * 2,
        device_types=[[2.0, 12.0], [2.0, 16.0]],
    )
    report = jc.evaluate(jc.load_policy(tmp_path / "policy"), env, states=states)
    regret = column(rows_of(tmp_path / "out" / "networks.csv"), "regret")
    np.testing.assert_allclose(regret, report.regrets, rtol=1e-3)
    assert np.all(regret > 0)
    printed = capsys.readouterr().out
    assert f"{regret[0]:.4f}" in printed
    # Its second type lies beyond 15, the end of a band of 7.
    assert "1 of 2 networks lie outside of what the policy was trained on, by up to 14% of a range" in printed
    assert "(device_types_2 in row 3)" in printed
    assert f"mean regret of such networks {regret[1]:.4g}, of the others {regret[0]:.4g}" in printed
    told = json.loads((tmp_path / "out" / "contract.json").read_text())["unlike_training"]
    assert told["farthest"]["widths_outside"] == pytest.approx(1 / 7)
    assert (told["outside_law"], told["other_constants"]) == (1, 0)
    (tmp_path / "n.csv").write_text("unit_profit," + HEADER + "90," + GOLDEN)
    assert design(*command[:-1], tmp_path / "other", "--strict") == 6
    assert "1 of 1 networks have other constants" in capsys.readouterr().out
    assert design(EXAMPLES / "network.json", "--policy", tmp_path / "policy", "--out", tmp_path / "no") == 2
    assert "is for 2 types, the networks have 4" in capsys.readouterr().err
    assert design(tmp_path / "n.csv", "--policy", tmp_path / "out", "--out", tmp_path / "no") == 2
    assert not (tmp_path / "no").exists()


def test_a_contract_that_does_not_hold_is_no_success(tmp_path, capsys):
    (tmp_path / "slow.csv").write_text(f"slot_duration,{HEADER}10,{GOLDEN}0.001,{GOLDEN}")
    assert design(tmp_path / "slow.csv", "--out", tmp_path / "out") == 3
    printed = capsys.readouterr().out
    assert (
        "Row 2: no contract has a quality of data: with slots of t = 10 s it is never fresh enough" in printed
    )
    feasible = [row["feasible"] for row in rows_of(tmp_path / "out" / "networks.csv")]
    assert feasible == ["False", "True"]


def test_many_networks_stream_through(tmp_path, capsys):
    """A batch of two blocks and a half, each row as the package solves it alone."""
    count = 10_001
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [
            rng.uniform(0.5, 1, (count, 2)),
            rng.dirichlet([1, 1], count),
            np.sort(rng.uniform(1, 15, (count, 2)), axis=1),
        ]
    )
    np.savetxt(tmp_path / "n.csv", values, "%.17g", ",", header=HEADER.strip(), comments="")
    assert design(tmp_path / "n.csv", "--out", tmp_path / "out") == 0
    items, networks = rows_of(tmp_path / "out" / "items.csv"), rows_of(tmp_path / "out" / "networks.csv")
    assert (len(items), len(networks)) == (2 * count, count)
    np.testing.assert_array_equal(column(networks, "row"), np.arange(2, count + 2))
    with jax.enable_x64(True):
        states = jc.NetworkState(
            max_aoi=values[:, 0],
            max_latency=values[:, 1],
            type_probs=values[:, 2:4],
            device_types=values[:, 4:],
        )
        best = jax.jit(jax.vmap(jc.optimal_contract, (None, 0)))(jc.System(), states)
        np.testing.assert_allclose(column(items, "frequency"), np.ravel(best.frequency), rtol=1e-12)
        utility = jax.jit(jax.vmap(jc.station_utility, (None, 0, 0)))(jc.System(), states, best)
        np.testing.assert_allclose(column(networks, "station_utility"), utility, rtol=1e-12)
        mean = float(np.mean(utility))
    printed = capsys.readouterr().out
    assert f"{count:,} networks" in printed
    assert f"{mean:.4f} per round" in printed
    held = json.loads((tmp_path / "out" / "contract.json").read_text())
    assert len(held["contract_of"]) + held["left_out_here"] == count
    assert held["mean_station_utility"] == pytest.approx(mean)


SCRIPT = [
    sys.executable,
    str(EXPERIMENTS / "design_contract.py"),
    str(EXAMPLES / "network.json"),
    "--out",
    "out",
]


@pytest.mark.long
def test_results_are_written_though_nobody_reads_to_the_end(tmp_path):
    with subprocess.Popen(
        SCRIPT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, bufsize=0
    ) as running:
        running.stdout.close()
        said = running.stderr.read()
    assert (running.returncode, said) == (0, b"")
    assert (tmp_path / "out" / "contract.png").is_file()


@pytest.mark.long
def test_a_terminal_without_greek_letters_gets_question_marks(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(SCRIPT, capture_output=True, cwd=tmp_path, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"M = 40, ? = 0.75" in done.stdout
