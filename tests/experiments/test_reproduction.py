"""The reproduction from end to end at a toy size, and the parts whose answers are known."""

import csv
import importlib.util
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import jaxcontract as jc
from paths import EXPERIMENTS
from quick_programs import compile_quickly
from reproduction import preference
from reproduction.cases import feasible_ppo, game_params, printed_ppo
from reproduction.item import at_most, mean_with_interval, percent, quote

SCRIPT = EXPERIMENTS / "reproduce_paper.py"

TOY = "--quick --budget 0.001 --seeds 2 --others 1 --states 200".split()
FIGURES = {
    "fig2a",
    "fig2b",
    "fig3",
    "incentives",
    "by_type",
    "schemes",
    "sweeps",
    "sensitivity",
    "market",
    "participation",
}


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=560,
        cwd=cwd,
        check=False,
        env=compile_quickly(),
    )


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("paper")
    done = run(*TOY, "--out", "out", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "out", done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("some")
    done = run(*TOY, "--only", "fig2b,market", "--out", "out", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "out", done.stdout


def rows(out, name):
    with (out / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(table, name):
    return np.array([float(row[name] or "nan") for row in table])


@pytest.mark.long
def test_every_figure_has_its_picture_and_numbers(complete):
    out, printed = complete
    assert {path.stem for path in out.glob("*.png")} == FIGURES
    for path in out.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size <= 150_000
    for path in out.glob("*.csv"):
        assert len(rows(out, path.stem)) > 0, path
    assert "left" in printed
    assert "summary.md" in printed


@pytest.mark.long
def test_the_summary_gives_a_verdict_and_numbers_for_every_claim(complete):
    text = (complete[0] / "summary.md").read_text("utf-8")
    claims = re.findall(
        r"^- \*\*(.+)\*\* \*(Holds|Holds in part|Does not hold)\.\* (.+)$", text, re.MULTILINE
    )
    assert len(claims) >= 14
    assert all(re.search(r"\d", evidence) for _, _, evidence in claims)
    for said in ("outperforms the random", "first rises, then declines", "traditional techniques"):
        assert any(said in claim for claim, _, _ in claims)
    assert "What cannot be reproduced" in text
    for name in re.findall(r"`(\w+)\.csv`", text):
        assert (complete[0] / f"{name}.csv").is_file()


@pytest.mark.long
def test_the_texts_take_their_numbers_from_the_run(complete):
    text = (complete[0] / "summary.md").read_text("utf-8")
    peak = {row["curve"]: row for row in rows(complete[0], "fig3_peaks")}["exact"]
    found = re.search(r"moves the peak to α = ([\d.]+) ", text)
    assert found
    assert found[1] == f"{float(peak['aoi_preference']):.3f}"
    options = "--quick --seeds 2 --others 1 --budget 0.001 --states 200"
    assert f"`python experiments/reproduce_paper.py {options}`" in text  # what was typed, not a part of it
    types = [row for row in rows(complete[0], "sweeps") if row["parameter"] == "number of types K"]
    for row in types:  # of one seed each
        assert f"{float(row['value']):g}: {float(row['screening_gap']):.1%}" in text
    gap = max(float(row["screening_gap"]) for row in rows(complete[0], "sweeps"))
    assert f"The worst seed of all sweeps has {gap:.0%}" in text
    errors = re.search(r"standard errors up to ([\d.]+);", text)
    assert errors
    assert float(errors[1]) >= numbers(rows(complete[0], "fig3_exact"), "standard_error").max()


@pytest.mark.parametrize(
    ("value", "text"), [(0.0341, "0.035"), (1.31, "1.4"), (1.5, "1.5"), (3.21e-9, "3.3e-09"), (0.0, "0")]
)
def test_a_bound_in_words_holds(value, text):
    assert at_most(value) == text


def test_seeds_without_a_value_are_counted():
    assert quote([1.0, np.nan, 1.0]) == "1 [1, 1] (2 of 3 seeds)"
    assert quote([np.nan]) == "none"
    assert (percent(1.0), percent(0.99999)) == ("100.00 %", "99.99 %")


@pytest.mark.long
def test_the_learning_curves_are_complete(complete):
    table = rows(complete[0], "fig2a")
    for scheme, least in (("PPO printed", 512), ("PPO feasible", 2048)):
        seeds = {row["seed"] for row in table if row["scheme"] == scheme}
        assert seeds == {"312", "313"}
        steps = numbers([row for row in table if row["scheme"] == scheme], "env_steps")
        assert steps.min() == 0
        assert steps.max() >= 2 * least
    levels = {row["scheme"]: float(row["regret"]) for row in rows(complete[0], "fig2a_levels")}
    assert 0 == levels["optimum"] < levels["pooled"] < levels["random feasible"]


def test_the_printed_states_have_the_golden_items(finished):
    exact = [row for row in rows(finished[0], "fig2b") if row["scheme"] == "optimum"]
    frequency = [0.177056883, 0.381430630, 0.172743020, 0.380050935, 0.132758683, 0.389520581]
    payment = [0.088528442, 0.105559587, 0.086371510, 0.103647170, 0.066379341, 0.086130257]
    np.testing.assert_allclose(numbers(exact, "frequency"), frequency, rtol=1e-6)
    np.testing.assert_allclose(numbers(exact, "payment"), payment, rtol=1e-6)


@pytest.mark.long
def test_exact_fig_3_is_where_it_should_be(complete):
    table = rows(complete[0], "fig3_exact")
    alpha, mean = numbers(table, "aoi_preference"), numbers(table, "optimum")
    population = numbers(table, "population_mean")
    assert (alpha[0], alpha[-1]) == (0.01, 1.0)
    np.testing.assert_allclose(population[[0, -1]], [2222.3, 2216.6], atol=0.3)
    assert np.all(np.abs(mean - population) < 4 * numbers(table, "standard_error") + 1e-9)
    assert numbers(table, "standard_error").max() < 0.06
    assert numbers(table, "difference_standard_error").max() < 0.06
    peak = {row["curve"]: row for row in rows(complete[0], "fig3_peaks")}["exact"]
    assert abs(float(peak["aoi_preference"]) - 0.40) < 0.03
    assert float(peak["low"]) < float(peak["aoi_preference"]) < float(peak["high"])
    for state in ("state 1", "state 2", "state 3"):
        curve = numbers(
            [r for r in rows(complete[0], "fig3_single_states") if r["state"] == state], "optimum"
        )
        assert np.all(np.diff(curve) > 0)


@pytest.mark.long
def test_no_scheme_beats_the_optimum_and_complete_information_does(complete):
    table = rows(complete[0], "schemes")
    assert {(row["setting"], row["num_types"]) for row in table} == {
        (setting, size) for setting in ("paper", "stress") for size in ("2", "8")
    }
    for row in table:
        regret = float(row["regret"] or "nan")
        if row["scheme"] == "complete information":
            assert regret < 0
        elif row["scheme"] == "optimum":
            assert abs(regret) < 1e-9
        elif row["regret"]:
            assert regret > 0
    for name in ("PPO feasible", "PPO printed", "gradient", "naive", "posted price", "social optimum"):
        assert sum(row["scheme"] == name for row in table) == 4


@pytest.mark.long
def test_types_prefer_their_own_items(complete):
    table = [row for row in rows(complete[0], "incentives") if row["num_types"] == "8"]
    for scheme in ("optimum", "PPO feasible"):
        utility = numbers([row for row in table if row["scheme"] == scheme], "utility").reshape(8, 8)
        own = np.diagonal(utility)
        assert own.min() > -1e-6
        assert (own[:, None] - utility).min() > -1e-6


@pytest.mark.long
def test_sweeps_and_sensitivity_have_every_value(complete):
    swept = {row["parameter"] for row in rows(complete[0], "sweeps")}
    assert len(swept) == 5
    devices = [row for row in rows(complete[0], "sweeps") if "devices" in row["parameter"]]
    each = numbers(devices, "optimum") / numbers(devices, "value")
    np.testing.assert_allclose(each, each[0], rtol=1e-9)
    settings = {(row["learner"], row["setting"]) for row in rows(complete[0], "sensitivity")}
    assert len(settings) == 9


def test_the_simulation_agrees_with_the_model(finished):
    table = rows(finished[0], "market_freshness")
    assert numbers(table, "cycle").tolist() == list(range(2, 21))
    for name in ("aoi", "latency"):
        off = np.abs(numbers(table, name) - numbers(table, f"{name}_expected"))
        assert np.all(off <= 4.5 * numbers(table, f"{name}_error") + 1e-15)
    earned = rows(finished[0], "market_utility")
    off = np.abs(numbers(earned, "realised") - numbers(earned, "expected"))
    assert np.all(off <= 4 * numbers(earned, "realised_error"))


@pytest.mark.long
def test_the_papers_contract_is_not_the_one_for_devices_that_may_walk_away(complete):
    table = rows(complete[0], "participation")
    best, naive = numbers(table, "best"), numbers(table, "naive")
    assert np.all(naive <= numbers(table, "upper_bound"))
    assert np.all(best >= naive - 1e-6 * best)
    (first,) = [row for row in table if row["state"] == "1" and float(row["taste_scale"]) == 1.0]
    assert float(first["best"]) == pytest.approx(2344.9974, rel=1e-5)
    assert float(first["naive"]) == pytest.approx(1281.2027, rel=1e-5)
    text = (complete[0] / "summary.md").read_text("utf-8")
    assert re.search(r"contract of \(10\) is what a base station should post.*\*Does not hold", text)


def test_the_same_command_goes_on_and_another_scale_is_refused(finished):
    out, _ = finished
    before = {path.name: path.read_bytes() for path in (out / "trainings").iterdir()}
    again = run(*TOY, "--only", "fig2b", "--out", str(out), cwd=out.parent)
    assert again.returncode == 0, again.stderr
    assert "0 trainings to make" in " ".join(again.stdout.split())
    assert before == {path.name: path.read_bytes() for path in (out / "trainings").iterdir()}
    began = time.monotonic()
    other = run("--quick", "--out", str(out), cwd=out.parent)
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert "name a new directory" in other.stderr
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--quik", "did you mean --quick?"),
        ("--only fig9", "'fig9' is not one of fig2a"),
        ("--budget 2", "must be a number in (0, 1]"),
        ("--seeds 0", "must be a whole number in [1, inf)"),
        ("--out {full}", "holds something else"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(arguments, said, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    done = run(*arguments.format(full=tmp_path / "full").split(), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine"]


def test_help_needs_no_jax():
    spec = importlib.util.spec_from_file_location("reproduce_paper", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    code = f"import sys; sys.argv = ['x', '--help']; exec(open({str(SCRIPT)!r}).read())"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "jax._src" not in done.stderr
    assert all(name in done.stdout for name in module.STUDIES)


def test_equal_cases_share_a_fingerprint_and_others_do_not():
    case, again = feasible_ppo(1, 10)[0], feasible_ppo(1, 10)[0]
    assert case.fingerprint == again.fingerprint
    others = [
        feasible_ppo(2, 10)[1],
        feasible_ppo(1, 11)[0],
        feasible_ppo(1, 10, clip_range=0.1)[0],
        feasible_ppo(1, 10, params=game_params(2, jc.System(unit_profit=7.0)))[0],
        feasible_ppo(1, 10, params=game_params(2, cost_scale=2.0))[0],
        feasible_ppo(1, 10, num_types=3)[0],
        feasible_ppo(1, 10, curve=True)[0],
        printed_ppo(1, 10)[0],
    ]
    assert len({case.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)


def test_cases_of_one_shape_differ_in_numbers_only():
    one = feasible_ppo(1, 10)[0]
    number = feasible_ppo(1, 10, clip_range=0.1, params=game_params(2, jc.System(unit_profit=7.0)))[0]
    size = feasible_ppo(1, 10, minibatches=4)[0]
    assert one.shape == number.shape != size.shape


def test_mirrored_states_hold_each_limit_in_every_place():
    states = preference.mirrored_states(100)
    aoi, latency = np.asarray(states.max_aoi).reshape(4, 100), np.asarray(states.max_latency).reshape(4, 100)
    np.testing.assert_array_equal(aoi[0], latency[1])
    np.testing.assert_array_equal(aoi[1], latency[0])
    np.testing.assert_allclose(aoi[0] + aoi[2], 1.5, rtol=1e-6)
    np.testing.assert_allclose(latency[1] + latency[3], 1.5, rtol=1e-6)
    np.testing.assert_allclose(preference.over_images(aoi.ravel()), 0.75, atol=0.26)
    np.testing.assert_allclose(preference.over_images((aoi + latency).ravel()), 1.5, rtol=1e-6)
    probs = np.asarray(states.type_probs).reshape(4, 100, 2)
    np.testing.assert_array_equal(probs[0], probs[3])


def test_the_quadrature_knows_the_moments_of_the_distribution():
    states, weights = preference.quadrature_states()
    assert weights.sum() == pytest.approx(1)
    moments = {
        "max_aoi": (0.75, 0.25 / 12),
        "max_latency": (0.75, 0.25 / 12),
    }
    for name, (mean, variance) in moments.items():
        values = np.asarray(getattr(states, name))
        assert np.average(values, weights=weights) == pytest.approx(mean)
        assert np.average((values - mean) ** 2, weights=weights) == pytest.approx(variance)
    types = np.asarray(states.device_types)
    np.testing.assert_allclose(np.average(types, weights=weights, axis=0), [4.5, 11.5])


def test_the_peak_of_a_parabola_is_found_and_its_interval_covers_it():
    grid = np.array([0.0, 0.2, 0.3, 0.5, 0.6, 1.0])
    assert preference.peak_of(grid, -((grid - 0.43) ** 2)) == pytest.approx(0.43)
    assert preference.peak_of(grid, grid) == 1.0
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        slopes = rng.normal(size=(4 * 50,))
        by_state = -((grid[:, None] - 0.4) ** 2) + 0.2 * slopes * grid[:, None]
        low, middle, high = preference.peak_interval(grid, by_state)
        assert low <= middle <= high
        covered += low <= 0.4 <= high
    assert covered >= 50


def test_the_mean_over_seeds_ignores_those_without_a_feasible_contract():
    mean, low, high = mean_with_interval([1.0, 2.0, np.nan, 3.0])
    assert (mean, low >= 1, high <= 3) == (2.0, True, True)
    assert np.isnan(mean_with_interval([np.nan])).all()
    assert mean_with_interval([4.0]) == (4.0, 4.0, 4.0)
