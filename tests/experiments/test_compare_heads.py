"""The comparison of policy heads: its command line, and runs that have ended already."""

import json

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
    assert len(runs) == 9 * 7 - 4 * 2 + 2
    for game, head, options in runs:
        asked = train.parse(compare_heads.arguments_of(parsed, game, options))
        name = asked.setting.as_dict()["policy"]["name"]
        assert name == ("gaussian" if head in ("gradient", "sac") else head.split("-")[0].split(",")[0])
        assert len(asked.seeds) == 3


def test_runs_that_have_ended_are_not_made_again(tmp_path, capsys):
    steps = (1, 5)
    for number in steps:
        folder = tmp_path / f"contract-2-diffusion-{number}-steps"
        folder.mkdir()
        seeds = [{"regret": 0.001 * number * factor} for factor in (0.5, 1.5)]
        summary = {"seeds": seeds, "mean": {"regret": 0.001 * number}, "num_updates": 600}
        summary |= {"rounds_per_update": 2048, "train_seconds": 2.0 * number, "compile_seconds": 1.0}
        (folder / "summary.json").write_text(json.dumps(summary | {"env_steps_per_second": 1e6}))
    given = [
        "--games",
        "contract-2",
        "--heads",
        "diffusion",
        "--denoising-steps",
        "1,5",
        "--out",
        str(tmp_path),
    ]
    folder = tmp_path / "contract-2-diffusion"
    folder.mkdir()
    (folder / "summary.json").write_text((tmp_path / "contract-2-diffusion-5-steps/summary.json").read_text())
    assert compare_heads.main(given) == 0
    rows = json.loads((tmp_path / "heads.json").read_text())["rows"]
    assert [row["head"] for row in rows] == ["diffusion", "diffusion, 1 steps", "diffusion, 5 steps"]
    assert [row["mean"] for row in rows] == [0.005, 0.001, 0.005]
    assert rows[0]["env_steps"] == 600 * 2048
    assert (tmp_path / "denoising.png").stat().st_size > 10_000
    assert "regret 0.001 (0.0005 to 0.0015), trained in 2 s" in capsys.readouterr().out
