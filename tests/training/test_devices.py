"""JAX_PLATFORMS asks for what is not there: one line and exit code 2 before anything is made."""

import os
import subprocess
import sys

import jax
import pytest

import reproduce_paper
import roofline
import solver
import steps_per_second
import train_pendulum
import train_sb3
from jaxcontract.cli import export
from jaxcontract.cli.design import command as design
from jaxcontract.cli.train import command as train
from jaxcontract.training.devices import NoDeviceError, require_device
from paths import EXPERIMENTS

# What a person calls each, and how it is run; scripts that are one of the commands call themselves otherwise.
MAINS = {
    "jaxcontract train": (train.main, ""),
    "jaxcontract design": (design.main, f"{EXPERIMENTS / 'examples' / 'network.json'}"),
    "jaxcontract export": (export.main, "runs file"),
    "reproduce_paper.py": (reproduce_paper.main, ""),
    "train_sb3.py": (train_sb3.main, ""),
    "train_pendulum.py": (train_pendulum.main, ""),
    "roofline.py": (roofline.main, ""),
    "solver.py": (solver.main, ""),
    "steps_per_second.py": (steps_per_second.main, ""),
}
WORDS = (
    "JAX_PLATFORMS=rocm: JAX finds no such device on this machine (its plugin is not installed, or sees no "
    "hardware); unset it, or set it to cpu"
)


@pytest.fixture
def no_device(monkeypatch):
    """What jax 0.10 does for `cuda` on a machine without its plugin."""

    def fail():
        raise AssertionError

    monkeypatch.setattr(jax, "devices", fail)
    monkeypatch.setenv("JAX_PLATFORMS", "rocm")


@pytest.mark.parametrize("program", MAINS)
def test_every_program_says_so_in_one_line_and_leaves_nothing(
    program, no_device, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    main, arguments = MAINS[program]
    monkeypatch.setattr("sys.argv", [program, *arguments.split()])
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code
    assert (code, *capsys.readouterr()) == (2, "", f"{program}: error: {WORDS}\n")
    assert list(tmp_path.iterdir()) == []


def test_without_the_variable_it_is_not_blamed(no_device, monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS")
    with pytest.raises(NoDeviceError, match=r"^JAX finds no device to compute on"):
        require_device()


def test_in_a_process_of_its_own_too(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXPERIMENTS / "run_ppo.py")],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "JAX_PLATFORMS": "nothing"},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("run_ppo.py: error: JAX_PLATFORMS=nothing: JAX finds no such device")
    assert list(tmp_path.iterdir()) == []
