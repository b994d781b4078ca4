"""`--help` of every command and script: it teaches, at once, without JAX or what a person may not have."""

import os
import statistics
import subprocess
import sys
import time

import pytest

from jaxcontract.cli.help_text import HelpFormatter
from jaxcontract.cli.main import COMMANDS as MODULES
from paths import ROOT

SCRIPTS = [
    path
    for path in (*ROOT.glob("experiments/*.py"), *ROOT.glob("benchmarks/*.py"), ROOT / "tests" / "faults.py")
    if "__main__" in path.read_text("utf-8")
]
COMMANDS = {"": "jaxcontract", **{name: f"jaxcontract {name}" for name in MODULES}}
HEAVY = ("jax", "matplotlib", "scipy", "rich", "gymnasium", "stable_baselines3", "gymnax", "torch", "cvxpy")
PROGRAM = f"""
import runpy, sys
for name in {HEAVY!r}:
    sys.modules[name] = None
script = sys.argv[1]
sys.path.insert(0, script.rpartition("/")[0])
sys.argv = [script, "--help"]
runpy.run_path(script, run_name="__main__")
"""

AS_COMMAND = f"""
import sys
for name in {HEAVY!r}:
    sys.modules[name] = None
sys.argv = ["jaxcontract", *sys.argv[1:], "--help"]
from jaxcontract.cli.main import main
main()
"""


def test_there_are_scripts():
    assert {"run_ppo.py", "design_contract.py", "peers.py", "faults.py"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_help_teaches_and_needs_no_library_but_numpy(script):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {script.name}")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert len(done.stdout.splitlines()) > 8 or script.name == "own_metric.py"  # which has no options


@pytest.mark.parametrize(("command", "name"), COMMANDS.items())
def test_help_of_a_command_calls_it_by_its_name(command, name):
    words = [sys.executable, "-c", AS_COMMAND, *command.split()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {name} ")
    assert ".py" not in done.stdout
    assert "PROGRAM" not in done.stdout
    examples = done.stdout.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert all(line.startswith((f"  {name} ", "    ")) for line in examples)  # one may go on
    assert len(examples) >= 2 or not command


AT_ONCE = {
    **{path.name: [str(path)] for path in SCRIPTS},
    **{name: ["-m", *name.split()] for name in COMMANDS.values()},
}


@pytest.mark.long
@pytest.mark.parametrize("program", AT_ONCE)
def test_help_is_there_at_once(program):
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        words = [sys.executable, *AT_ONCE[program], "--help"]
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - began)
    assert statistics.median(seconds) <= 0.3


def test_paragraphs_are_filled_and_lists_keep_their_columns():
    codes = "codes:\n  0    done\n  75   a device that\n       does not answer"
    text = f"A paragraph of a few\nwords.\n\n{codes}\n\nlast"
    filled = HelpFormatter("program")._fill_text(text, 24, "")
    assert filled.split("\n\n") == [
        "A paragraph of a few\nwords.",
        "codes:\n  0    done\n  75   a device that\n      does not answer",
        "last",
    ]
