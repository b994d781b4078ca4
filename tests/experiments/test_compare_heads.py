"""The comparison of policy heads: its command line, and runs that have ended already."""

import json
import subprocess
from pathlib import Path

import pytest

import compare_heads
from jaxcontract.cli.train import command as train


def test_a_name_that_is_none_is_one_line(capsys):
    for given, said in (
        (["--games", "contract-3"], "'contract-3': must be one of contract-2, "),
        (["--heads", "gausian"], "'gausian': must be one of gaussian, "),
        (["--denoising-steps", "1,x"], "'1,x' must be whole numbers with commas between them"),
    ):
        with pytest.raises(SystemExit) as stopped:
            compare_heads.parse(given)
        assert stopped.value.code == 2
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        assert said in printed


def test_every_run_is_one_that_the_training_takes():
    parsed = compare_heads.parse(["--denoising-steps", "1,2", "--seeds", "3"])
    runs = compare_heads.list_runs(parsed)
    assert len(runs) == 10 * 7 - 5 * 2 + 2
    for game, head, options in runs:
        asked = train.parse(compare_heads.arguments_of(parsed, game, options))
        name = asked.setting.as_dict()["policy"]["name"]
        assert name == ("gaussian" if head in ("gradient", "sac") else head.split("-")[0].split(",")[0])
        assert len(asked.seeds) == 3


def plant_runs(monkeypatch, code=0):
    """In place of trainings: a regret of 0.001 for each denoising step."""

    def run(command, **_):
        folder, steps = Path(command[command.index("--out") + 1]), 5
        if "--denoising-steps" in command:
            steps = int(command[command.index("--denoising-steps") + 1])
        seeds = [{"regret": 0.001 * steps * factor} for factor in (0.5, 1.5)]
        summary = {"seeds": seeds, "mean": {"regret": 0.001 * steps}, "num_updates": 600}
        summary |= {"rounds_per_update": 2048, "train_seconds": 2.0 * steps, "compile_seconds": 1.0}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").write_text(json.dumps(summary | {"env_steps_per_second": 1e6}))
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(compare_heads.subprocess, "run", run)


GIVEN = ["--games", "contract-2", "--heads", "diffusion", "--denoising-steps", "1,5"]


def test_rows_and_the_picture_of_steps_are_of_the_runs(tmp_path, monkeypatch):
    plant_runs(monkeypatch)
    assert compare_heads.main([*GIVEN, "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "heads.json").read_text())["rows"]
    assert [row["head"] for row in rows] == ["diffusion", "diffusion, 1 steps", "diffusion, 5 steps"]
    assert [row["mean"] for row in rows] == [0.005, 0.001, 0.005]
    assert (tmp_path / "denoising.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_is_refused_ends_the_comparison_with_its_code(tmp_path, monkeypatch):
    """As one is whose folder holds a run of other options: its figures are not taken for the ones asked."""
    plant_runs(monkeypatch, code=2)
    assert compare_heads.main([*GIVEN, "--out", str(tmp_path)]) == 2
    assert not (tmp_path / "heads.json").exists()


def test_a_head_that_can_learn_none_of_the_games_is_one_line(tmp_path, capsys):
    given = ["--games", "capacity-0.75", "--heads", "gradient", "--out", str(tmp_path / "new")]
    assert compare_heads.main(given) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--heads gradient: no use in capacity-0.75" in said
