"""What people look at: figures, tables, progress lines, intervals and the benchmark's figures."""

import io
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

import jaxcontract as jc
from jaxcontract.console import TrainingProgress, make_console
from jaxcontract.evaluation import judge, make_yardstick, scheme_contracts, unseen_states
from jaxcontract.experiment import reference_reports
from jaxcontract.figures import learning_curve, save
from jaxcontract.learning.ppo import init_learner
from jaxcontract.mechanism.optimum import pooled_contract
from jaxcontract.statistics import bootstrap_interval
from jaxcontract.tables import printed_states_table, seeds_table


@pytest.fixture(scope="module")
def yardstick():
    params = jc.ContractEnv().default_params
    return make_yardstick(params.system, unseen_states(params.distribution, 50))


def printed(table):
    stream = io.StringIO()
    Console(file=stream, width=110).print(table)
    return stream.getvalue()


def test_the_learning_curve_shows_seeds_mean_and_levels(tmp_path):
    steps = np.linspace(0, 1e6, 5)
    regrets = np.geomspace(10, 0.01, 5) * np.array([[1.0], [2.0], [3.0]])
    regrets[2, 3:] = np.nan
    figure = learning_curve(
        steps,
        2200 - regrets,
        regrets,
        reward_lines={"optimum": 2200.0, "random": -430.0},
        regret_lines={"pooled": 0.5, "random feasible": float("nan")},
        title="a title",
    )
    above, below = figure.axes
    assert "reward" in above.get_ylabel()
    assert "regret" in below.get_ylabel()
    assert "env steps" in below.get_xlabel()
    assert (above.get_yscale(), below.get_yscale()) == ("linear", "log")
    assert len(above.lines) == 3 + 1 + 2
    assert len(below.lines) == 3 + 1 + 1
    np.testing.assert_allclose(below.lines[3].get_ydata(), np.nanmean(regrets, axis=0))
    save(figure, tmp_path / "curve")
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_the_table_has_a_row_for_every_seed_and_scheme(yardstick):
    params = jc.ContractEnv().default_params
    report = judge(scheme_contracts(jc.optimal_contract, yardstick), yardstick)
    text = printed(seeds_table([3, 4], [report, report], reference_reports(params, yardstick)))
    rows = [line.split()[0] for line in text.splitlines()[2:]]
    assert rows == ["3", "4", "mean", "95", "to", "pooled", "random", "random"]
    assert "100.00%" in next(line for line in text.splitlines() if "pooled" in line)


def test_printed_states_show_the_golden_optimum():
    env = jc.ContractEnv()
    params = env.default_params
    learner = init_learner(jax.random.key(0), env, params, jc.PPOConfig(parallel_rounds=8, minibatches=2))
    text = printed(printed_states_table(learner.policy, env, params))
    for number in ("0.17706", "0.38143", "0.08853", "0.10556", "0.13276", "0.38952"):
        assert number in text


def test_reference_schemes_are_what_they_say(yardstick):
    references = reference_reports(jc.ContractEnv().default_params, yardstick)
    pooled = judge(scheme_contracts(pooled_contract, yardstick), yardstick)
    assert references["pooled"].regret == pooled.regret
    assert references["random feasible"].feasible == 1.0 > references["random"].feasible


def test_progress_is_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    with TrainingProgress(make_console(file=stream), 10) as progress:
        progress.show(5, 1234.5, 1.0, 0.25)
    line = stream.getvalue()
    assert line.count("\n") == 1
    for words in ("update     5/10", "1,234 steps/s", "feasible 1.0000", "regret   0.2500", "s left"):
        assert words in line
    assert "\x1b" not in line


def test_progress_is_a_bar_on_a_terminal():
    stream = io.StringIO()
    console = make_console(file=stream, force_terminal=True, width=120)
    with TrainingProgress(console, 10) as progress:
        progress.show(10, 1234.5, 1.0, 0.25)
    assert "10/10" in stream.getvalue()
    assert "━" in stream.getvalue()


def test_the_interval_covers_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(1)
    samples = generator.exponential(size=(200, 40))
    intervals = np.array([bootstrap_interval(sample) for sample in samples])
    covered = np.mean((intervals[:, 0] <= 1) & (intervals[:, 1] >= 1))
    assert 0.86 <= covered <= 0.99
    assert bootstrap_interval(samples[0]) == bootstrap_interval(samples[0])
    assert np.isnan(bootstrap_interval(np.ones(1))).all()


def test_the_benchmark_reports_speed_with_quality(tmp_path):
    script = Path(__file__).parent.parent / "benchmarks" / "steps_per_second.py"
    sizes = "--parallel-rounds 64 --seeds 1,2 --num-types 2 --base-rounds 64 --base-seeds 1 --steps 512"
    options = f"{sizes} --repeats 2 --json figures.json --plot growth.png".split()
    command = [sys.executable, str(script), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "figures.json").read_text())
    assert len(result["training over seeds"]) == 2
    for axis in ("env over rounds", "training over seeds"):
        for row in result[axis]:
            assert 0 < row["min"] <= row["median"] <= row["max"]
            assert row["feasible"] == 1.0
            assert row["memory_bytes"] > 0
    assert "regret" in done.stdout
    assert result["machine"]["cores"] >= 1
    assert (tmp_path / "growth.png").stat().st_size > 1000
