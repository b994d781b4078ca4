"""Runs beside each other: the statistics are SciPy's, the picture shows them, bad files are named by line."""

import contextlib
import csv
import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
import time

import numpy as np
import pytest
import scipy.stats

from jaxcontract.cli import plot as plot_runs
from jaxcontract.evaluation.statistics import bootstrap_interval, interquartile_mean, over_seeds
from jaxcontract.figures import LOOKS, Curve, learning_comparison, nth_look
from jaxcontract.storage.metrics import read_metrics
from made_up_runs import write_run
from paths import EXPERIMENTS

SCRIPT = EXPERIMENTS / "plot_runs.py"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 20, 21])
def test_the_interquartile_mean_is_scipys_trimmed_mean(size):
    values = np.random.default_rng(size).standard_cauchy((6, size))
    np.testing.assert_allclose(interquartile_mean(values), scipy.stats.trim_mean(values, 0.25, axis=-1))


@pytest.mark.parametrize("statistic", [None, interquartile_mean])
def test_the_interval_is_scipys_bootstrap_interval(statistic):
    values = np.random.default_rng(3).lognormal(size=12)
    found = bootstrap_interval(values, **({"statistic": statistic} if statistic else {}))
    of_rows = (lambda x, axis: scipy.stats.trim_mean(x, 0.25, axis=axis)) if statistic else np.mean
    exact = scipy.stats.bootstrap((values,), of_rows, method="percentile", n_resamples=50_000, rng=1)
    np.testing.assert_allclose(found, exact.confidence_interval, rtol=0.03)


def test_one_wild_seed_of_five_does_not_move_it():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert interquartile_mean(values) == interquartile_mean(np.where(values == 5, 1e9, values)) == 3.0


def test_seeds_without_a_value_are_left_out():
    values = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    centre, low, high = over_seeds(values, interquartile_mean)
    assert centre[0] == 2.0
    assert low[0] <= 2.0 <= high[0]
    assert np.isnan([centre[1], low[1], high[1]]).all()


def test_the_picture_shows_interquartile_means_bands_and_the_optimum():
    generator = np.random.default_rng(0)
    runs = {}
    for name in ("one", "two"):
        regret = generator.lognormal(size=(5, 4))
        runs[name] = Curve(np.arange(4) * 100.0, 2222 - regret, np.ones((5, 4)), regret)
    figure = learning_comparison(
        runs,
        reward_levels={"optimum": 2222.0},
        regret_levels={},
        title="a title",
        looks={"optimum": LOOKS["optimum"], "one": nth_look(0), "two": nth_look(1)},
        statistic=interquartile_mean,
    )
    reward, _, regret = figure.axes
    assert regret.get_yscale() == "log"
    assert [line.get_ydata()[0] for line in reward.lines][-1] == 2222.0
    for line, curve in zip(regret.lines, runs.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), scipy.stats.trim_mean(curve.regret, 0.25, axis=0))
    for patch, curve in zip(regret.collections, runs.values(), strict=True):
        low, high = bootstrap_interval(curve.regret[:, 2], statistic=interquartile_mean)
        heights = patch.get_paths()[0].vertices
        at_third = heights[heights[:, 0] == 200.0][:, 1]
        assert {round(low, 9), round(high, 9)} <= set(np.round(at_third, 9))


def test_looks_of_many_runs_are_all_different_and_none_is_the_optimums():
    looks = [nth_look(number) for number in range(20)]
    assert len({(look.colour, look.line) for look in looks}) == 20
    assert LOOKS["optimum"].colour not in {look.colour for look in looks}


def test_a_metrics_file_is_read_as_it_was_written(tmp_path):
    regret = write_run(tmp_path / "run")
    metrics = read_metrics(tmp_path / "run")
    np.testing.assert_array_equal(metrics.regret, regret)
    np.testing.assert_array_equal(metrics.env_steps, [0, 100, 200, 300])
    assert metrics.reward.shape == metrics.feasible.shape == (5, 4)


def test_exploitability_is_compared_where_runs_have_it(tmp_path, monkeypatch, capsys):
    regret = write_run(tmp_path / "a", payoff=50.0)
    write_run(tmp_path / "b", payoff=50.0, seed=1)
    write_run(tmp_path / "other")
    metrics = read_metrics(tmp_path / "a")
    np.testing.assert_allclose(metrics.exploitability, regret / 50.0)
    assert np.isnan(read_metrics(tmp_path / "other").exploitability).all()
    drawn = []
    monkeypatch.setattr("jaxcontract.figures.save", lambda figure, _: drawn.append(figure))
    directories = [str(tmp_path / name) for name in ("a", "b", "other")]
    assert plot_runs.main([*directories[:2], "--out", str(tmp_path / "two")]) == 0
    below = drawn[0].axes[-1]
    assert "% of the equilibrium payoff" in below.get_ylabel()
    np.testing.assert_allclose(
        below.lines[0].get_ydata(), 2.0 * scipy.stats.trim_mean(regret, 0.25, axis=0), rtol=1e-6
    )
    assert plot_runs.main([*directories, "--out", str(tmp_path / "three")]) == 0
    assert "regret" in drawn[1].axes[-1].get_ylabel()
    with (tmp_path / "three.csv").open() as file:
        rows = list(csv.DictReader(file))
    last = {row["run"]: row["exploitability"] for row in rows}
    assert float(last["a"]) == pytest.approx(scipy.stats.trim_mean(regret[:, -1], 0.25) / 50.0)
    assert last["other"] == ""
    assert "exploitability" in capsys.readouterr().out


def run(*arguments, cwd):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


def test_the_command_writes_a_picture_a_table_and_every_number(tmp_path):
    regrets = {
        "a": write_run(tmp_path / "a", seed=1),
        "b": write_run(tmp_path / "b", seed=2, seeds=8, points=3),
    }
    done = run("a", "b", "--out", "new/both", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "both.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "new" / "both.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name, regret in regrets.items():
        own = [row for row in rows if row["run"] == name]
        assert [int(row["env_steps"]) for row in own] == [100 * point for point in range(regret.shape[1])]
        expected = scipy.stats.trim_mean(regret, 0.25, axis=0)
        np.testing.assert_allclose([float(row["regret"]) for row in own], expected)
        assert all(
            float(row["regret_low"]) <= float(row["regret"]) <= float(row["regret_high"]) for row in own
        )
        assert f"{expected[-1]:.5f}" in done.stdout
        assert {row["seeds"] for row in own} == {str(len(regret))}
    assert len([line for line in done.stdout.splitlines() if "95 % from" in line]) == 2


def in_a_terminal(width, *command, cwd):
    """What a command writes to a real terminal of that width."""
    screen, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    done = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, cwd=cwd, env={**env, "TERM": "xterm"})
    os.close(end)
    told = b""
    with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
        while part := os.read(screen, 65536):
            told += part
    os.close(screen)
    assert done.wait(60) == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.decode()).splitlines()


def test_long_names_are_shortened_in_the_picture_and_stay_apart():
    names = ["short", "a" * 40 + "1" + "b" * 40, "a" * 40 + "2" + "b" * 40, "a" * 40 + "3" + "b" * 40]
    short = plot_runs.shorten_names(names)
    cut = "a" * 14 + "…" + "b" * 13
    assert short == ["short", cut, f"{cut} #2", f"{cut} #3"]


def test_in_a_narrow_terminal_the_table_goes_on_below_and_loses_nothing(tmp_path):
    name = "a-run-of-[a]-long-name-" + 5 * "x"
    regret = write_run(tmp_path / name)
    lines = in_a_terminal(40, sys.executable, str(SCRIPT), name, "--out", "it", cwd=tmp_path)
    assert max(map(len, lines)) <= 40
    text = "\n".join(lines)
    expected = scipy.stats.trim_mean(regret, 0.25, axis=0)[-1]
    for words in ("env steps", "2222.000", "1.0000", f"{expected:.5f}"):
        assert words in text
    assert "…" not in text
    firsts = "".join(line[:20].strip() for line in lines if not line.startswith(" "))
    assert name in firsts


def test_nothing_is_overwritten(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "taken.csv").write_text("mine")
    done = run("a", "--out", "taken.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "plot_runs.py: error: --out taken.csv: exists already; name another\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "taken.csv"]


@pytest.mark.parametrize("odd", [{"seeds": 1}, {"points": 1}, {"feasible": 0.0}, {"seeds": 2, "scale": 0.0}])
def test_runs_with_little_to_show_are_shown(odd, tmp_path, capsys):
    write_run(tmp_path / "a", **odd)
    assert plot_runs.main([str(tmp_path / "a"), "--out", str(tmp_path / "alone")]) == 0
    write_run(tmp_path / "b", optimum=5.0)
    assert plot_runs.main([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert "nan" not in (tmp_path / "out.csv").read_text()
    assert (tmp_path / "out.png").stat().st_size > 5000


def test_runs_are_called_apart_and_optima_are_told_apart(tmp_path):
    paths = [tmp_path / "x" / "a", tmp_path / "y" / "a", tmp_path / "b"]
    for path, optimum in zip(paths, (2222.0, 2222.0, 5.0), strict=True):
        write_run(path, optimum=optimum)
    called = plot_runs.name_runs(paths)
    assert called == [str(paths[0]), str(paths[1]), "b"]
    runs = dict(zip(called, map(read_metrics, paths), strict=True))
    assert plot_runs.find_optima(runs) == {f"optimum of {paths[0]} and 1 more": 2222.0, "optimum of b": 5.0}
    assert plot_runs.find_optima({"b": runs["b"]}) == {"optimum": 5.0}
    with pytest.raises(ValueError, match="is named twice"):
        plot_runs.name_runs([paths[0], paths[0].parent / "." / "a"])


def edited(**changes):
    def edit(line):
        return json.dumps({**json.loads(line), **changes})

    return edit


BAD_LINES = {
    "half a line": (lambda line: line[: len(line) // 2], "is not JSON"),
    "an empty line": (lambda _: "", "is not JSON"),
    "a list": (lambda _: "[1, 2]", "must be an object of named values"),
    "too deep": (lambda _: "[" * 100_000, ""),
    "no regret": (lambda line: line.replace('"regret"', '"regrets"'), "regret must be a list of numbers"),
    "words": (edited(reward=["much"] * 5), "reward must be a list of numbers, one for each seed"),
    "a seed less": (edited(feasible=[1.0] * 4), "feasible is of 4 seeds, where there are 5"),
    "steps in words": (edited(env_steps="many"), "env_steps must be a whole number"),
    "steps that go back": (edited(env_steps=50), "env_steps is 50, after 100"),
    "an odd measure": (
        edited(exploitability=0.1),
        "exploitability must be a list of numbers, one for each seed",
    ),
    "no optimum": (edited(optimum=None), "optimum must be a number"),
}


@pytest.mark.parametrize("fault", BAD_LINES)
def test_a_bad_line_is_named_with_its_file_and_number(fault, tmp_path, capsys):
    edit, said = BAD_LINES[fault]
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "metrics.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = edit(lines[2])
    path.write_text("\n".join(lines) + "\n")
    assert plot_runs.main([str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"jaxcontract plot: error: {path}, line 3: {said}")
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "has no line"), (b"\xff\xfe", "not text")]
)
def test_a_file_that_cannot_be_read_is_one_line(content, said, tmp_path, capsys):
    if content is not None:
        (tmp_path / "metrics.jsonl").write_bytes(content)
    assert plot_runs.main([str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_bad_options_and_help_are_quick(tmp_path):
    done = run("--oat", "x", "a", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "did you mean --out?" in done.stderr
    began = time.monotonic()
    assert "95 % bootstrap" in run("--help", cwd=tmp_path).stdout
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("measure", "words", "distance"),
    [
        ("exploitability", ("equilibrium", "utility"), "exploitability"),
        ("share_of_bound", ("upper bound", "value"), "below the upper bound"),
    ],
)
def test_other_games_are_called_by_their_own_words(measure, words, distance, tmp_path, capsys, monkeypatch):
    write_run(tmp_path / "a")
    lines = (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()
    points = [json.loads(line) for line in lines]
    more = [json.dumps({**point, measure: [0.9] * len(point["reward"])}) for point in points]
    (tmp_path / "a" / "metrics.jsonl").write_text("\n".join(more) + "\n")
    kept = []
    monkeypatch.setattr("jaxcontract.figures.save", lambda figure, _: kept.append(figure))
    assert plot_runs.main([str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in (*words, measure.replace("_", " ")))
    assert "reward (13)" not in printed
    above, _, below = (axes.get_ylabel() for axes in kept[0].axes)
    assert words[1] in above
    assert distance in below
    texts = [text.get_text() for axes in kept[0].axes for text in axes.texts]
    assert any(words[0] in text for text in texts)
    assert not any("optimum" in text for text in texts)
