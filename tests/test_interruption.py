"""Ctrl-C at any moment of any script: one line, exit code 130, no traceback."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxcontract.interruption import Interruption

ROOT = Path(__file__).parent.parent
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
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *command], cwd=cwd, **pipes)


def ended(process):
    """What a process has printed and said; one that does not end is killed."""
    try:
        return process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def listens(process):
    """Whether a process has taken signals in hand: SIGINT is blocked, or SIGTERM caught, as by us alone."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    masks = {line[:6]: int(line[8:], 16) for line in lines if line[:6] in ("SigBlk", "SigCgt")}
    blocked = masks["SigBlk"] >> (signal.SIGINT - 1) & 1
    return bool(blocked or masks["SigCgt"] >> (signal.SIGTERM - 1) & 1)


def interrupted(command, cwd, moments=(0.0,)):
    """Outcomes of a command that is interrupted so many seconds after it began to listen."""
    for moment in moments:
        with start(command, cwd) as process:
            while process.poll() is None and not listens(process):
                time.sleep(0.0005)
            time.sleep(moment)
            process.send_signal(signal.SIGINT)
            printed, said = ended(process)
        yield process.returncode, printed, said


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to see when a process listens")
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_ends_in_one_line_while_it_imports(script, tmp_path):
    command = [str(SCRIPTS[script]), *ARGUMENTS.get(script, [])]
    for outcome in interrupted(command, tmp_path, moments=(0.0, 0.1)):
        assert outcome == (130, "", f"{script}: interrupted by SIGINT\n")
    assert list(tmp_path.iterdir()) == []


def test_there_are_scripts():
    names = {"run_ppo.py", "plot_runs.py", "export_policy.py", "design_contract.py", "peers.py", "solver.py"}
    assert names <= SCRIPTS.keys()


COMPILING = """
from jaxcontract.interruption import Interruption, before_leaving, leave_at_once, say_when_interrupted
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
from jaxcontract.interruption import Interruption, leave_at_once
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
