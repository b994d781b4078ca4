"""What the comparison with GDMOPT refuses, and the table of what it has measured; it trains nothing here."""

import importlib.util

import pytest

import gdmopt


@pytest.fixture
def clone(tmp_path):
    """Files where a clone of GDMOPT has them."""
    for part in gdmopt.PARTS:
        file = tmp_path / part
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "--repository"),
        ("--repository no-such-folder", "get it with: git clone https://github.com/HongyangDu/GDMOPT"),
        ("--repository . --seconds 600,60", "ascending"),
        ("--repository . --seeds 0", "'0' must be a whole number"),
        ("--repository . --game chess", "chess"),
        ("--repository . --second 60", "did you mean --seconds?"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        gdmopt.parse(arguments.split())
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("gdmopt.py: error: ")
    assert said.count("\n") == 1
    assert told in said


def test_a_clone_that_lacks_a_part_is_named_with_the_part(clone, capsys):
    (clone / "policy/diffusion_opt.py").unlink()
    with pytest.raises(SystemExit) as stopped:
        gdmopt.parse(["--repository", str(clone)])
    assert stopped.value.code == 2
    assert f"{clone}: has no policy/diffusion_opt.py" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("tianshou") is not None, reason="tianshou is installed")
def test_without_its_libraries_one_line_says_how_to_get_them(clone, capsys):
    assert gdmopt.main(["--repository", str(clone)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert gdmopt.INSTALL in said


def test_the_help_names_what_must_be_installed(capsys):
    with pytest.raises(SystemExit) as stopped:
        gdmopt.parse(["--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert gdmopt.INSTALL in told
    assert gdmopt.CLONE in told


def test_a_moment_has_a_line_for_each_kind_of_action():
    found = {"feasible": 1.0, "regret": 2.5, "screening_gap": 0.125}
    point = {"seconds": 60.2, "processor_seconds": 31.0, "env_steps": 1234}
    point |= {"drawn": found, "without_noise": found | {"feasible": 0.0, "regret": float("nan")}}
    drawn, denoised = gdmopt.rows({"seed": 1, "curve": [point]})
    assert drawn.split() == "1 60 s 31 s 1,234 drawn 1.00000 2.5000 12.50%".split()
    assert denoised.split() == "1 60 s 31 s 1,234 without noise 0.00000 nan 12.50%".split()
