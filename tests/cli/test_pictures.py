"""Pictures are the last thing a script makes: whatever becomes of them, the results are written."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

import command
import reproduce_paper
from design_command import design, rows_of
from jaxcontract import figures
from jaxcontract.cli import plot as plot_runs
from made_up_runs import write_run
from paths import EXAMPLES
from reproduction.item import Item

HOSTILE = {"text.usetex": True, "font.size": 30.0, "axes.facecolor": "black", "savefig.bbox": "tight"}


@pytest.fixture
def no_pictures(monkeypatch):
    """LaTeX is asked for and missing, as matplotlib says it; the first of several lines is told."""

    def fail(*_):
        raise RuntimeError(
            "Failed to process string with tex because latex could not be found\nfor 3 reasons"
        )

    monkeypatch.setattr(figures, "save", fail)


WHY = (
    "could not be drawn (RuntimeError: Failed to process string with tex because latex could not be found); "
    "all other results are written\n"
)


def test_a_design_without_its_picture_is_done(no_pictures, tmp_path, capsys):
    assert design(EXAMPLES / "network.json", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert printed.err == f"jaxcontract design: contract.png {WHY}"
    results = {"config.json", "contract.json", "items.csv", "networks.csv"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == results
    assert ".png" not in printed.out


def test_a_comparison_without_its_picture_is_done(no_pictures, tmp_path, capsys):
    write_run(tmp_path / "a")
    assert plot_runs.main([str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"jaxcontract plot: {tmp_path / 'out.png'} {WHY}"
    assert f"written: {tmp_path / 'out.csv'}" in " ".join(printed.out.split())
    assert len(rows_of(tmp_path / "out.csv")) == 4


def test_a_study_and_a_benchmark_go_on_without_a_picture(no_pictures, tmp_path, capsys):
    def broken():
        raise ValueError("no font")

    item = Item(tables={"table": [{"a": 1}]}, figures={"first": broken, "second": lambda: None})
    reproduce_paper.write_item(tmp_path, item)
    command.draw_last("solver.py", tmp_path / "x.png", lambda _: broken())
    said = capsys.readouterr().err.splitlines(keepends=True)
    assert said[0].startswith("reproduce_paper.py: first.png could not be drawn (ValueError: no font)")
    assert said[1] == f"reproduce_paper.py: second.png {WHY}"
    assert said[2].startswith(f"solver.py: {tmp_path / 'x.png'} could not be drawn (ValueError: no font)")
    assert rows_of(tmp_path / "table.csv") == [{"a": "1"}]


def test_comparisons_of_one_second_get_a_name_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20260101-120000")
    write_run(tmp_path / "a")
    assert [plot_runs.main(["a"]) for _ in range(2)] == [0, 0]
    stems = ("comparison-20260101-120000", "comparison-20260101-120000-2")
    names = {f"{stem}.{ending}" for stem in stems for ending in ("png", "csv")}
    assert {path.name for path in (tmp_path / "runs").iterdir()} == names


def draw(path):
    generator = np.random.default_rng(0)
    reward = generator.normal(size=(3, 4))
    figure = figures.learning_curve(
        [0, 1, 2, 3],
        reward,
        np.exp(reward),
        reward_lines={"optimum": 3.0, "random": -3.0},
        regret_lines={"pooled": 1.0, "random feasible": 2.0},
        title="α",
    )
    figures.save(figure, path)
    return path.with_suffix(".png").read_bytes()


def test_a_persons_own_style_changes_no_picture_and_stays_theirs(tmp_path):
    usual = draw(tmp_path / "usual")
    with matplotlib.rc_context(HOSTILE):
        assert draw(tmp_path / "own") == usual
        assert {name: matplotlib.rcParams[name] for name in HOSTILE} == HOSTILE


def test_every_public_drawing_has_that_style():
    drawings = [
        value
        for name, value in vars(figures).items()
        if callable(value)
        and not isinstance(value, type)
        and name not in ("at_defaults", "nth_look", "find_words")
    ]
    assert len(drawings) >= 13
    assert [drawing.__name__ for drawing in drawings if not hasattr(drawing, "__wrapped__")] == []


NOTEBOOK = """
import os, jaxcontract.figures, matplotlib
print(os.environ["MPLBACKEND"], dict.__getitem__(matplotlib.rcParams, "backend") == "module://of.a.notebook")
"""


def test_a_backend_left_by_a_notebook_is_no_obstacle_and_is_kept(tmp_path):
    for asked, kept in (("of.no.module", False), ("module://of.a.notebook", True)):
        environment = {**os.environ, "MPLBACKEND": asked}
        command = [sys.executable, "-c", NOTEBOOK]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert (done.returncode, done.stdout) == (0, f"{asked} {kept}\n"), done.stderr
