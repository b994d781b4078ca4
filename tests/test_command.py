"""The command `jaxcontract`: what it refuses, and all of it from a wheel, in any directory."""

import json
import os
import subprocess
import sys

import pytest

import jaxcontract as jc
from design_command import rows_of
from jaxcontract.cli import main as command
from jaxcontract.cli.design.request import EXAMPLE
from jaxcontract.cli.program import name_script
from paths import EXAMPLES, ROOT

SMALL = "--seeds 1 --num-updates 2 --num-envs 64 --eval-states 100 --curve-states 100".split()


@pytest.fixture
def asked(monkeypatch, capsys):
    """What a command line is answered: exit code, output, errors. Signals stay pytest's."""
    monkeypatch.setattr("jaxcontract.training.signals.leave_at_once", lambda _: None)
    monkeypatch.setattr("_signal.pthread_sigmask", lambda *_: None)

    def ask(*arguments):
        monkeypatch.setattr("sys.argv", ["jaxcontract", *arguments])
        try:
            code = command.main()
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return ask


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "unknown command trian; did you mean train?"),
        (["xyz"], "unknown command xyz; the commands are train, sweep, design, export, launch, plot"),
        ([], "name a command: train, sweep, design, export, launch, plot; --help says what each does"),
        (["--foo"], "unknown option --foo; --help lists the options"),
    ],
)
def test_what_is_no_command_is_refused_in_one_line(asked, arguments, said):
    assert asked(*arguments) == (2, "", f"jaxcontract: error: {said}\n")


def test_its_version(asked):
    assert asked("--version") == (0, f"jaxcontract {jc.__version__}\n", "")


def test_a_command_is_called_by_its_name_and_ends_with_its_exit_code(asked, tmp_path):
    code, out, said = asked("plot", str(tmp_path))
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert said.startswith("jaxcontract plot: error: ")
    code, out, said = asked("train", "--sedes", "1")
    assert (code, said) == (2, "jaxcontract train: error: unknown option --sedes; did you mean --seeds?\n")


def test_a_script_is_called_as_a_person_started_it(monkeypatch):
    monkeypatch.setattr("sys.argv", ["my experiments/run_ppo.py", "--help"])
    assert name_script() == ("run_ppo.py", "python 'my experiments/run_ppo.py'")


def test_the_example_is_the_one_of_the_experiments(asked):
    assert asked("design", "--example") == (0, EXAMPLE, "")
    assert json.loads(EXAMPLE) == json.loads((EXAMPLES / "network.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs the command of an installed wheel in a directory far from the repository."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")

    def call(*words, cwd=folder):
        environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=200, check=False, cwd=cwd, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    (folder / "work").mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(wheel)], check=True, capture_output=True)
    return lambda *words: call(*words, cwd=folder / "work"), folder


def test_the_wheel_has_the_package_and_the_command(installed):
    call, folder = installed
    program, package = str(folder / "site" / "bin" / "jaxcontract"), folder / "site" / "jaxcontract"
    found = call(sys.executable, "-c", "import jaxcontract; print(jaxcontract.__file__)")
    assert found == f"{package / '__init__.py'}\n"
    there, ours = (
        {path.relative_to(root) for path in root.rglob("*.py")} for root in (package, ROOT / "jaxcontract")
    )
    assert there == ours
    assert (package / "py.typed").is_file()
    assert call(program, "--version") == f"jaxcontract {jc.__version__}\n"
    assert call(program, "design", "--example") == EXAMPLE


@pytest.mark.long
def test_all_commands_work_from_a_wheel_in_any_directory(installed):
    call, folder = installed
    program, work = str(folder / "site" / "bin" / "jaxcontract"), folder / "work"
    call(program, "train", *SMALL, "--out", "run")
    assert json.loads((work / "run" / "summary.json").read_text())["num_updates"] == 2
    (work / "network.csv").write_text((EXAMPLES / "networks.csv").read_text("utf-8"))
    call(program, "design", "network.csv", "--policy", "run", "--out", "contract")
    assert len(rows_of(work / "contract" / "networks.csv")) == 3
    call(program, "export", "run", "policy.jaxexport")
    assert (work / "policy.jaxexport.json").is_file()
    call(sys.executable, "-m", "jaxcontract", "plot", "run", "--out", "picture")
    assert (work / "picture.png").read_bytes().startswith(b"\x89PNG")
