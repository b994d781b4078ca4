"""Values of options that are paths: `~` is the home directory, wherever it stands on the command line."""

import argparse
import re
from pathlib import Path

import pytest

import command
import reproduce_paper
from jaxcontract.cli import export, plot
from jaxcontract.cli.design import command as design
from jaxcontract.cli.options import path
from jaxcontract.cli.train import command as train
from paths import ROOT


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_home_directory_for_every_script(home):
    assert train.parse(["--out=~/x"]).out == home / "x"
    assert train.parse(["--compilation-cache=~/x"]).compilation_cache == home / "x"
    asked = design.parse(["~/n.json", "--out=~/x", "--history=~/h", "--types=2"])
    assert (asked.network, asked.out, asked.history) == (home / "n.json", home / "x", home / "h")
    assert design.parse(["n.json", "--policy=~/p"]).policy == home / "p"
    assert export.parse(["~/run", "~/file"])[:2] == (home / "run", home / "file")
    assert plot.parse(["~/a", "~/b", "--out=~/x.png"]) == ([home / "a", home / "b"], home / "x")
    assert reproduce_paper.parse(["--out=~/x"]).out == home / "x"
    assert command.picture_file("~/x.png") == home / "x.png"


def test_a_run_in_the_home_directory_is_found_again(home, capsys):
    with pytest.raises(SystemExit):
        train.parse(["--resume=~/x"])
    assert f"--resume {home / 'x'}: holds no run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"), [("", "'' must be a path"), ("~nobody-of-this-name/x", "there is no such home")]
)
def test_what_is_no_path_is_refused_in_words(text, said):
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(said)):
        path(text)


def test_a_directory_called_tilde_can_still_be_named():
    assert path("./~/x") == Path("~/x")


def test_no_script_takes_a_path_in_another_way():
    sources = [*ROOT.glob("experiments/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    found = [source.name for source in sources if re.search(r"type=(pathlib\.)?Path\b", source.read_text())]
    assert found == []


def test_another_game_keeps_what_a_preset_says_of_the_problem():
    asked = train.parse(["--game", "competition", "--preset", "stress", "--stations", "3"])
    problem = asked.setting.game.problem
    assert (problem.unit_profit, problem.slot_duration) == (1.0, 0.1)
    assert asked.setting.game.env.num_stations == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--stations 2", "--stations: goes with --game competition"),
        ("--taste-scale 1", "--taste-scale: goes with --game participation or competition or enrolment"),
        ("--clip-range 1 --algorithm gradient", "--clip-range: goes with --algorithm ppo"),
        ("--staitons 2", "unknown option --staitons; "),
        (
            "--game competition --num-types 2-16",
            "'2-16': must be one whole number; ranges go with --game contract",
        ),
        (
            "--game competition --preset raw",
            "--preset raw: is of --game contract; with --game competition choose",
        ),
        (
            "--game participation --preset budget",
            "--preset budget: is of --game budget; with --game participation",
        ),
    ],
)
def test_what_is_of_another_game_is_said_to_be(given, said, capsys):
    with pytest.raises(SystemExit) as left:
        train.parse(given.split())
    assert left.value.code == 2
    assert said in capsys.readouterr().err
