"""The README works as a newcomer reads it: every block, in the order written; what it names exists."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

import jaxcontract as jc
from jaxcontract.cli.options import OneLineParser
from jaxcontract.cli.setting_options import add_setting_options
from jaxcontract.config.presets import PRESETS
from jaxcontract.envs.registry import GAMES
from paths import ROOT
from quick_programs import compile_quickly

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
BENCHMARK = "--repeats 1 --json figures.json"
CONTEST = f"--game paper --seeds 1 --sizes 16x2 --env-steps 64 --states 50 --learners jaxcontract {BENCHMARK}"

# What makes a command small. One that is not here is not in the README, or a size is to be found for it.
SMALLER = {
    "experiments/run_ppo.py": "--num-updates 4 --num-envs 64 --eval-states 200 --curve-states 200",
    "experiments/design_contract.py": "",
    "experiments/reproduce_paper.py": "--quick --only market",
    "experiments/own_metric.py": "",
    "experiments/train_sb3.py": "--seconds 1 --eval-states 200",
    "experiments/train_pendulum.py": "--seeds 1 --num-updates 1",
    "experiments/export_policy.py": "",
    "experiments/plot_runs.py": "",
    "-c": "",
    "jaxcontract design": "",
    "jaxcontract train": "--seeds 1 --num-updates 4 --num-envs 64 --eval-states 200 --curve-states 200",
    "jaxcontract export": "",
    "benchmarks/peers.py": CONTEST,
    "benchmarks/time_to_optimum.py": f"{CONTEST} --points 2 --plot time.png",
}
# Best responses of every state cost more than the training.
OF_STATIONS = "--seeds 1 --eval-states 8 --curve-states 8 --curve-points 1"
# Of other people's, and not in every environment: without it a script says what to install.
NEEDS = {"experiments/train_sb3.py": "stable_baselines3", "experiments/train_pendulum.py": "gymnax"}

# The programs run the code that is tested, from wherever they are.
PATH = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
ENVIRONMENT = {**compile_quickly(), "PYTHONPATH": PATH}


def steps():
    """Every command and every block of Python, in the order in which a newcomer comes to them."""
    for language, block in BLOCKS:
        if language == "bash":
            lines = block.replace("\\\n", " ").splitlines()
            yield from ((language, line) for line in lines if shlex.split(line, comments=True))
        elif language == "python":
            yield language, block


STEPS = list(steps())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """What looks like the root of the repository, and may be written to."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("experiments", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def test_there_is_an_example_of_ten_lines():
    first = next(block for _, block in BLOCKS if "optimal_contract" in block)
    assert len([line for line in first.splitlines() if line]) <= 12
    assert len(TEXT.splitlines()) <= 300


# One after the other, for they build on one another as they do for a newcomer.
@pytest.mark.parametrize("step", STEPS, ids=[str(number) for number in range(len(STEPS))])
def test_every_block_works_in_the_order_written(step, home, monkeypatch, capsys):
    language, text = step
    monkeypatch.chdir(home)
    if language == "python":
        exec(compile(text, "README.md", "exec"), {})
        printed = capsys.readouterr().out
        assert printed
        assert "nan" not in printed
        return
    program, *words = shlex.split(text, comments=True)
    programs = {"pip": installs, "python": runs, "jaxcontract": commands, "pytest": exists, "bash": exists}
    programs[program](*words)


def smaller(program, words):
    """The options that make a command small."""
    more = OF_STATIONS if "competition" in words or "capacity" in words else ""
    return [*SMALLER[program].split(), *more.split()]


def installs(command, *words):
    """The packages can be asked for, and the extras are this package's."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert command == "install"
    for word in words:
        if word.startswith("."):
            named = re.fullmatch(r"\.(?:\[(.+)\])?", word)[1]
            assert set(named.split(",") if named else ()) <= extras.keys()
        elif word != "-e":
            Requirement(word)


def runs(script, *words):
    """At a small size it ends well and prints; where a library is missing it says which."""
    command = [sys.executable, script, *words, *smaller(script, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=ENVIRONMENT)
    library = NEEDS.get(script)
    if library and importlib.util.find_spec(library) is None:
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "pip install" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert done.stdout


def commands(command, *words):
    """The installed command, as a module: it need not be the one on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "jaxcontract", command, *words, *smaller(f"jaxcontract {command}", words)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def exists(*paths):
    """Tests that ran themselves would not end."""
    assert all((ROOT / path).exists() for path in paths)


def test_scripts_and_pictures_exist():
    for path in re.findall(r"python ([\w/]+\.py)|!\[.*?\]\(([^)]+)\)", TEXT):
        assert (ROOT / (path[0] or path[1])).is_file(), path


def test_options_named_are_options():
    known = set()
    for game in GAMES.names:
        parser = OneLineParser()
        add_setting_options(parser, ["--game", game])
        known |= {option for action in parser._actions for option in action.option_strings}
    scripts = [path for folder in ("experiments", "benchmarks") for path in (ROOT / folder).glob("*.py")]
    scripts += [ROOT / "tests" / "faults.py", *(ROOT / "jaxcontract" / "cli").rglob("*.py")]
    script = "".join(path.read_text("utf-8") for path in scripts)
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--long"}:
        assert option in known or f'"{option}"' in script, option


def test_names_in_the_table_are_on_the_face():
    table = TEXT.split("| name | paper | what |")[1].split("\n\n")[0]
    names = re.findall(r"`(\w+)`", re.sub(r"\|[^|]*\|[^|]*\|$", "|", table, flags=re.MULTILINE))
    assert names
    assert set(names) <= set(jc.__all__)


def test_presets_described_are_the_presets():
    text = (ROOT / "experiments" / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in PRESETS)
    row = next(line for line in text.splitlines() if line.startswith("| rounds per update"))
    written = re.findall(r"(\d+) × (\d+)", row)
    actual = [
        (str(PRESETS[name].algorithm.batch_size), str(PRESETS[name].algorithm.num_updates))
        for name in PRESETS
    ]
    assert written == actual
