"""Ctrl-C at any moment of any command or script: one line, exit code 130, no traceback."""

import signal
import subprocess
import sys
import time

import pytest

from jaxcontract.training.signals import Interruption
from paths import ROOT

SCRIPTS = {
    path.name: path
    for path in (*ROOT.glob("experiments/*.py"), *ROOT.glob("benchmarks/*.py"))
    if "__main__" in path.read_text("utf-8")
}
ARGUMENTS = {
    "design_contract.py": [str(ROOT / "experiments" / "examples" / "network.json")],
    "export_policy.py": ["nowhere", "file"],
    "plot_runs.py": ["nowhere"],
}


def start(command, cwd):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *command], cwd=cwd, **pipes)


def ended(process, told=None):
    """What a process that is told something has printed and said; one that does not end is killed."""
    try:
        return process.communicate(told, timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


AT_AN_IMPORT = """
import importlib.abc, runpy, sys
class Waits(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            print("importing", flush=True)
            sys.stdin.readline()
sys.meta_path.insert(0, Waits())
sys.argv = sys.argv[1:]
sys.path[0] = {directory!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# SIGINT is blocked when the first is imported, by scripts that do so, and listened for when the second is.
IMPORTED = [
    (script, module)
    for script, file in SCRIPTS.items()
    for module in ("jaxcontract.training.signals", "argparse")
    if module == "argparse" or "SIG_BLOCK" in file.read_text("utf-8")
]


@pytest.mark.parametrize(("script", "module"), IMPORTED)
def test_every_script_ends_in_one_line_while_it_imports(script, module, tmp_path):
    file = SCRIPTS[script]
    program = AT_AN_IMPORT.format(module=module, directory=str(file.parent))
    with start(["-c", program, str(file), *ARGUMENTS.get(script, [])], tmp_path) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        printed, said = ended(process, "go on\n")
    assert (process.returncode, printed, said) == (130, "", f"{script}: interrupted by SIGINT\n")
    assert list(tmp_path.iterdir()) == []


AS_COMMAND = (
    AT_AN_IMPORT.rpartition("runpy")[0]
    + """
from jaxcontract.cli.main import main
sys.exit(main({program!r}))
"""
)
COMMANDS = {
    "train": [],
    "design": ["network.json"],
    "export": ["nowhere", "file"],
    "plot": ["nowhere"],
}


@pytest.mark.parametrize("module", ["jaxcontract.training.signals", "argparse"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_in_one_line_while_it_imports(command, module, tmp_path):
    program = "python -m jaxcontract" if command == "train" else "jaxcontract"
    code = AS_COMMAND.format(module=module, directory=str(ROOT), program=program)
    with start(["-c", code, "jaxcontract", *command.split(), *COMMANDS[command]], tmp_path) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        printed, said = ended(process, "go on\n")
    name = f"{program} {command}".strip()
    assert (process.returncode, printed, said) == (130, "", f"{name}: interrupted by SIGINT\n")
    assert list(tmp_path.iterdir()) == []


def test_there_are_scripts():
    names = {"run_ppo.py", "plot_runs.py", "export_policy.py", "design_contract.py", "peers.py", "solver.py"}
    assert names <= SCRIPTS.keys()


COMPILING = """
from jaxcontract.training.signals import Interruption, before_leaving, leave_at_once, say_when_interrupted
leave_at_once("program")
import hashlib
say_when_interrupted("this is how to go on")
with Interruption(holding=False), before_leaving(lambda: print("cleared up")):
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # for minutes, deaf to Python's handlers, as a compiler is
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_program_that_compiles_ends_at_once(number, code, tmp_path):
    with start(["-c", COMPILING], tmp_path) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        began = time.monotonic()
        printed, said = ended(process)
    assert time.monotonic() - began < 5
    assert (process.returncode, printed) == (code, "cleared up\n")
    assert said == f"program: interrupted by {number.name}; this is how to go on\n"


WORKING = """
from jaxcontract.training.signals import Interruption, leave_at_once
leave_at_once("program")
import time
with Interruption(holding=False) as interruption:
    interruption.hold()
    print("begun", flush=True)
    while not interruption.requested:
        time.sleep(0.01)
    print("saved", flush=True)
    time.sleep(60 if {twice} else 0)
raise SystemExit(interruption.exit_code)
"""


def test_work_that_can_be_lost_is_saved_first_and_a_second_signal_ends_it(tmp_path):
    for twice in (False, True):
        with start(["-c", WORKING.format(twice=twice)], tmp_path) as process:
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "saved\n"
            if twice:
                process.send_signal(signal.SIGINT)
            _, said = ended(process)
        assert process.returncode == 130
        noted = "\nSIGINT: finishing this chunk, then saving; again to stop at once\n"
        assert said == noted + ("program: interrupted by SIGINT\n" if twice else "")


def test_without_anything_to_lose_a_signal_is_not_held_back():
    with Interruption(holding=False) as interruption, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert interruption.requested is None
