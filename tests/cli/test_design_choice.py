"""`design` for devices that may walk away or go to rivals: golden values, refusals, what is written."""

import json

import numpy as np
import pytest

from design_command import GOLDEN, HEADER, design, rows_of
from jaxcontract.cli.input_files.rival_offers import best_offers, read_rivals

pytestmark = pytest.mark.usefixtures("compiled_quickly")

OFFERS = "station,frequency,payment\nnorth,0.19,62.1\nsouth,0.2,61\nnorth,0.38,62.2\n"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    file = tmp_path_factory.mktemp("network") / "n.csv"
    file.write_text(HEADER + GOLDEN)
    return file


def test_what_is_best_against_none_and_against_rivals(network, tmp_path, capsys):
    assert design(network, "--taste-scale", "1", "--out", tmp_path / "alone") == 0
    alone = json.loads((tmp_path / "alone" / "contract.json").read_text())["contract_of"][0]
    assert alone["station_utility"] == pytest.approx(2344.9974, rel=1e-5)
    assert alone["naive_utility"] == pytest.approx(1281.2027, rel=1e-5)
    assert 0 <= alone["upper_bound"] - alone["station_utility"] < 1e-5
    (tmp_path / "r.csv").write_text(OFFERS)
    code = design(network, "--taste-scale", "1", "--rivals", tmp_path / "r.csv", "--out", tmp_path / "two")
    assert code == 0
    printed = capsys.readouterr().out
    assert "go to the 2 rivals" in printed
    found = json.loads((tmp_path / "two" / "contract.json").read_text())
    best = found["contract_of"][0]
    assert best["station_utility"] < alone["station_utility"]
    assert best["joining"] + best["leaving"] + best["staying_out"] == pytest.approx(1.0)
    rows = rows_of(tmp_path / "two" / "items.csv")
    assert [float(row["payment"]) for row in rows] == [item["payment"] for item in best["items"]]
    assert (tmp_path / "two" / "contract.png").exists()


def test_each_type_takes_the_item_that_it_likes_best(tmp_path):
    (tmp_path / "r.csv").write_text(OFFERS)
    rivals = read_rivals(tmp_path / "r.csv")
    found = best_offers(rivals, np.array([[2.0, 12.0]]))
    north = [max(62.1 - 0.19 / phi, 62.2 - 0.38 / phi) for phi in (2, 12)]
    np.testing.assert_allclose(found, [[north, [61 - 0.2 / 2, 61 - 0.2 / 12]]])
    assert best_offers({}, np.ones((3, 2))).shape == (3, 0, 2)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("frequency,price\n0.1,2\n", "column payment is missing; the file has frequency, price"),
        ("frequency,payment\n0,2\n", "row 2, column frequency: 0 must be above 0 and at most 1"),
        ("frequency,payment\n0.1,-2\n", "row 2, column payment: -2 must be 0 or more"),
        ("station,frequency,payment\n,0.1,2\n", "row 2, column station: must name a station"),
        ("frequency,payment\n0.1,x\n", "row 2, column payment"),
    ],
)
def test_offers_that_are_none_are_refused_in_one_line(tmp_path, text, line):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match=line) as refused:
        read_rivals(tmp_path / "r.csv")
    assert "\n" not in str(refused.value)


def test_json_has_a_list_of_items(tmp_path):
    (tmp_path / "r.json").write_text('[{"station": "a", "frequency": 0.2, "payment": 1}]')
    np.testing.assert_array_equal(read_rivals(tmp_path / "r.json")["a"], [[0.2, 1.0]])
    (tmp_path / "r.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="must be a list of items"):
        read_rivals(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--rivals", "r.csv"], "--rivals: goes with --taste-scale"),
        (["--taste-scale", "1", "--integer-cycles"], "--taste-scale: does not go with --integer-cycles"),
        (["--taste-scale", "0"], "must be a positive finite number"),
    ],
)
def test_options_that_do_not_go_together_are_refused(network, options, line, capsys):
    assert design(network, *options) == 2
    assert line in capsys.readouterr().err
