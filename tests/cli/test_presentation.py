"""What people look at: figures, tables, progress lines, intervals and the benchmark's figures."""

import dataclasses
import io
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from rich.console import Console

import jaxcontract as jc
from jaxcontract.cli.console import TrainingProgress, make_console
from jaxcontract.cli.tables import learners_table, printed_states_table, seeds_table
from jaxcontract.cli.text_tables import plain_table, round_down, wrap_text
from jaxcontract.evaluation.contract_reference import ContractReference
from jaxcontract.evaluation.offers import scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.evaluation.report import judge
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.evaluation.statistics import bootstrap_interval
from jaxcontract.figures import learning_curve, save
from jaxcontract.learning.algorithms.ppo.ppo import init
from jaxcontract.mechanism.optimum import pooled_contract
from paths import BENCHMARKS
from quick_programs import compile_quickly


@pytest.fixture(scope="module")
def solution():
    params = jc.ContractEnv().default_params
    return solve_reference(params.system, unseen_states(params.distribution, 50))


def printed(table, width=110):
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
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


def test_the_table_has_a_row_for_every_seed_and_scheme(solution):
    params = jc.ContractEnv().default_params
    report = judge(scheme_contracts(jc.optimal_contract, solution), solution)
    text = printed(
        seeds_table([3, 4], [report, report], ContractReference(jc.ContractEnv(), params).baselines(solution))
    )
    rows = [line.split()[0] for line in text.splitlines()[2:]]
    assert rows == ["3", "4", "mean", "95", "to", "pooled", "random", "random"]
    assert "100.00%" in next(line for line in text.splitlines() if "pooled" in line)


def test_printed_states_show_the_golden_optimum():
    env = jc.ContractEnv()
    params = env.default_params
    learner = init(jax.random.key(0), env, params, jc.PPOConfig(num_envs=8, minibatches=2))
    text = printed(printed_states_table(learner.policy, env, params))
    for number in ("0.17706", "0.38143", "0.08853", "0.10556", "0.13276", "0.38952"):
        assert number in text


@pytest.mark.parametrize("width", [40, 80, 100])
def test_tables_fit_the_terminal_and_lose_no_digit(solution, width):
    env = jc.ContractEnv()
    params = env.default_params
    learner = init(jax.random.key(0), env, params, jc.PPOConfig(num_envs=16))
    report = judge(scheme_contracts(pooled_contract, solution), solution)
    for table in (
        seeds_table(
            [3, 4], [report, report], ContractReference(jc.ContractEnv(), params).baselines(solution)
        ),
        printed_states_table(learner.policy, env, params),
        learners_table([("stable-baselines3 PPO", report, 20.0, 1_228_800), ("exact", report, 0.4, None)]),
    ):
        text = printed(table, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        words = text.split()
        for word in " ".join([*table.columns, *(cell for row in table.rows for cell in row)]).split():
            assert words.count(word) >= 1
    assert len(printed(table, 100).splitlines()) == 1 + 1 + 2  # a pipe's width holds it side by side


def test_columns_that_do_not_fit_go_on_below_beside_the_first():
    table = plain_table("of 5 s", ["name", "aaaaaaaa", "bbbbbbbb"], left=True)
    table.add_row("x", "1", "22222222")
    table.add_note("and 3 more")
    rows = [line.rstrip() for line in printed(table, 20).splitlines()]
    assert rows == [
        "of 5 s",
        "name  aaaaaaaa",
        "x            1",
        "",
        "name  bbbbbbbb",
        "x     22222222",
        "and 3 more",
    ]
    with pytest.raises(ValueError, match="a row of 2 cells in a table of 3 columns"):
        table.add_row("x", "1")


def test_lines_are_not_broken_between_a_number_and_its_unit():
    told = "Row 1: M = 40, α = 0.75, t = 0.001 s, age ≤ 0.95 s, latency ≤ 0.73 s; 20,000 unseen (IC -1.4e-17)"
    whole = (
        "M = 40,",
        "α = 0.75,",
        "t = 0.001 s,",
        "age ≤ 0.95 s,",
        "latency ≤ 0.73 s;",
        "20,000 unseen",
        "(IC -1.4e-17)",
    )
    for width in range(20, 100):
        lines = wrap_text(told, width).split("\n")
        assert " ".join(lines) == told
        assert max(map(len, lines)) <= width
        assert all(any(part in line for line in lines) for part in whole)


def test_a_share_is_never_rounded_up_to_all():
    assert [round_down(share, 4) for share in (1.0, 0.99999, 0.29, 0.0)] == [
        "1.0000",
        "0.9999",
        "0.2900",
        "0.0000",
    ]


def test_the_mean_is_of_the_seeds_that_have_a_value_and_says_so(solution):
    good = judge(scheme_contracts(pooled_contract, solution), solution)
    bad = dataclasses.replace(good, feasible=0.0, regret=np.nan, worst_regret=np.nan, screening_gap=np.nan)
    text = printed(seeds_table([0, 1], [good, bad], {}))
    mean = next(line for line in text.splitlines() if line.split()[0] == "mean")
    assert mean.split()[1:4] == ["0.50000", f"{good.regret:.5f}", f"{good.worst_regret:.3f}"]
    assert "mean regret, worst regret, screening gap: mean of the 1 of 2 seeds that have one" in text


def test_reference_schemes_are_what_they_say(solution):
    references = ContractReference(jc.ContractEnv(), jc.ContractEnv().default_params).baselines(solution)
    pooled = judge(scheme_contracts(pooled_contract, solution), solution)
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


def test_what_is_not_known_yet_is_a_dash_not_a_zero():
    stream = io.StringIO()
    with TrainingProgress(make_console(file=stream), 600) as progress:
        progress.show(0, 0.0, 0.99999, float("nan"))
        progress.show(600, 998_325.0, 1.0, 0.002)
    first, last = stream.getvalue().splitlines()
    assert first == "update     0/600           - steps/s   feasible 0.9999   regret        -      - s left"
    assert last == "update   600/600     998,325 steps/s   feasible 1.0000   regret   0.0020      0 s left"


def test_a_narrow_terminal_shows_every_number_of_the_progress():
    stream = io.StringIO()
    console = make_console(file=stream, force_terminal=True, width=40)
    with TrainingProgress(console, 600) as progress:
        progress.show(200, 956_089.0, 1.0, 0.0144)
    for words in ("200/600", "956,089 steps/s", "feasible 1.0000", "regret 0.0144", "--:--"):
        assert words in stream.getvalue()
    assert "…" not in stream.getvalue()


def test_a_path_is_printed_as_it_is():
    stream = io.StringIO()
    make_console(file=stream).print("runs/[red]:smile:[/red]/a b")
    assert stream.getvalue() == "runs/[red]:smile:[/red]/a b\n"


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


@pytest.mark.long
def test_the_benchmark_reports_speed_with_quality(tmp_path):
    script = BENCHMARKS / "steps_per_second.py"
    sizes = "--num-envs 64 --seeds 1,2 --num-types 2 --base-rounds 64 --base-seeds 1 --steps 512"
    options = f"{sizes} --repeats 2 --json figures.json --plot growth.png".split()
    command = [sys.executable, str(script), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, cwd=tmp_path, env=compile_quickly(), check=False
    )
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
