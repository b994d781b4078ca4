"""The sweep over the discount and the turnover: its command line, and runs that have ended already."""

import csv
import json

import pytest

import sweep_enrolment


@pytest.mark.parametrize("given", ["2", "0", "0.5,one", ""])
def test_a_number_outside_of_0_and_1_is_one_line(given, capsys):
    with pytest.raises(SystemExit) as stopped:
        sweep_enrolment.parse(["--discounts", given])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{given!r} must be numbers in (0, 1) with commas between them" in said


def test_runs_that_have_ended_are_not_made_again(tmp_path, capsys):
    shares = {(0.5, 0.1): 0.9, (0.95, 0.1): 0.99, (0.95, 0.4): 0.97}
    for (discount, turnover), share in shares.items():
        folder = tmp_path / f"discount-{discount:g}-turnover-{turnover:g}"
        folder.mkdir()
        rules = {name: {"share_of_bound": share / 2} for name in sweep_enrolment.LINES}
        seeds = [{"share_of_bound": share + step} for step in (-0.01, 0.01)]
        sizes = {"num_seeds": 2, "num_updates": 800, "num_states": 20}
        summary = {**sizes, "seeds": seeds, "mean": {"share_of_bound": share}, **rules}
        (folder / "summary.json").write_text(json.dumps(summary))
    given = ["--discounts", "0.95,0.5", "--turnovers", "0.1,0.4", "--out", str(tmp_path)]
    assert sweep_enrolment.main(given) == 0
    assert (tmp_path / "shares.png").stat().st_size > 10_000
    with (tmp_path / "shares.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = [(row["swept"], float(row["discount"]), float(row["turnover"])) for row in rows]
    assert found == [
        ("discount", 0.5, 0.1),
        ("discount", 0.95, 0.1),
        ("turnover", 0.95, 0.1),
        ("turnover", 0.95, 0.4),
    ]
    for row, (_, discount, turnover) in zip(rows, found, strict=True):
        assert float(row["learned"]) == shares[discount, turnover]
        assert float(row["worst_seed"]) == pytest.approx(shares[discount, turnover] - 0.01)
    assert sweep_enrolment.main([*given, "--num-updates", "700"]) == 2
    assert "its run has num_updates = 800, not 700; choose another --out" in capsys.readouterr().err
