"""The search for floors of families of menus: what it refuses, and that it comes below what is known."""

import json

import pytest

import menu_floors


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--families", "gaussian,cauchy"], "'cauchy': must be one of gaussian, fitted, two"),
        (["--capacities", "0.5"], "'0.5': must be shares in (0.5, 1)"),
        (["--capacities", "much"], "'much': must be shares in (0.5, 1)"),
        (["--starts", "0"], "--starts"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(given, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        menu_floors.parse(given)
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert said in printed


@pytest.mark.long
def test_one_gaussian_comes_as_near_as_with_one_type_and_two_come_nearer(tmp_path, capsys):
    out = tmp_path / "floors.json"
    given = ["--families", "gaussian,two", "--capacities", "0.75", "--starts", "2", "--out", str(out)]
    assert menu_floors.main(given) == 0
    one, two, equilibrium = json.loads(out.read_text())["rows"]
    assert 0.085 < one["floor"] < 0.105  # 9.3 % with one type
    assert 0.02 < two["floor"] < 0.5 * one["floor"]
    assert equilibrium["gap"] < 1e-9
    assert 1.0 < equilibrium["payoff"] < 1.05
    assert "written to" in capsys.readouterr().out
