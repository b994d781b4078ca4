"""What is said where a contract is worth nothing, a bound holds it, types are one or very many."""

import json
import re

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import jaxcontract as jc
from design_command import GOLDEN, HEADER, column, design, rows_of
from jaxcontract import figures
from jaxcontract.cli.design import contracts
from jaxcontract.cli.design.grouping import MOST_CLUSTERS, MOST_TYPES, by_kmeans
from jaxcontract.cli.design.showing import verdict
from jaxcontract.cli.design.solving import Exact, Learned, Solver
from jaxcontract.cli.design.telling import network_remarks
from jaxcontract.cli.design.writing import NUMBERS, Totals, loses
from jaxcontract.cli.input_files.network_rows import read_networks
from jaxcontract.cli.input_files.observed import Observed
from paths import EXAMPLES

pytestmark = pytest.mark.usefixtures("compiled_quickly")

COLUMNS = f"slot_duration,min_frequency,max_frequency,{HEADER}"
NO_NUMBER = re.compile(r"(?<![a-z])[+-]?(nan|inf)(?![a-z])", re.IGNORECASE)


def words(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    """Slots of 3 s; the golden state between narrow bounds; costs in another unit than the profit."""
    place = tmp_path_factory.mktemp("edges")
    rows = (f"3,0.01,1,{GOLDEN}", f"0.001,0.2,0.3,{GOLDEN}", "0.001,0.01,1,0.95,0.73,0.84,0.16,1e-4,2e-4\n")
    (place / "n.csv").write_text(COLUMNS + "".join(rows))
    return place


def test_no_quality_a_loss_and_bounds_that_bind_are_said_in_plain_lines(edges, capsys):
    assert design(edges / "n.csv", "--out", edges / "out") == 3
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert not NO_NUMBER.search(printed.replace("complete inf.", ""))
    (line,) = [line for line in lines if line.startswith("Row 2:")]
    assert line.startswith(
        "Row 2: no contract has a quality of data: with slots of t = 3 s it is never fresh"
    )
    (narrow, low) = [line for line in lines if line.startswith("bounds on f:")]
    assert narrow.startswith(
        "bounds on f: min_frequency = 0.2 binds for type 1 of 2, max_frequency = 0.3 binds for type 2 of 2; "
        "min_frequency 0.02 would earn +"
    )
    assert narrow.endswith("f between 1e-06 and 1 would earn +2547.3715")
    assert "all items stand at min_frequency = 0.01 (2 of them), which does not tell the types apart" in low
    (loss,) = [line for line in lines if "loses" in line]
    assert loss.endswith("offering nothing is better: costs and unit_profit must be in one unit")
    best = jc.System(min_frequency=1e-6)
    with jax.enable_x64(True):
        state = jc.NetworkState(
            max_aoi=0.95, max_latency=0.73, type_probs=[0.84, 0.16], device_types=[1e-4, 2e-4]
        )
        free = float(jc.station_utility(best, state, jc.optimal_contract(best, state)))
    quality = np.log(1 + 0.75 * 0.95 + 0.25 * 0.73 - 0.001 * (0.75 * (0.01 + 50 + 0.5) + 0.25 * 1.01))
    earned = 40 * (100 * quality - 0.01 / 1e-4)
    assert f"loses {-earned:.4f}" in loss
    assert f"{free:+.4f}" in low

    record = json.loads((edges / "out" / "contract.json").read_text())
    assert {name: record[name] for name in NUMBERS} == {
        "without_quality": 1,
        "losing": 1,
        "min_frequency_binding": 2,
        "max_frequency_binding": 1,
        "all_at_min_frequency": 1,
        "one_item": 1,
        "dear_everywhere": 0,
        "below_one_item": 0,
        "remarked": 2,
    }
    assert record["first_without_quality_row"] == 2
    none, bound, lost = record["contract_of"]
    assert (none["any_quality"], none["station_utility"], none["regret"]) == (False, None, None)
    assert (bound["binding_types"], bound["loses"]) == (
        {"min_frequency": [1], "max_frequency": [2]},
        False,
    )
    assert bound["utility_without_bounds"] == pytest.approx(2547.371481, abs=1e-6)
    assert (lost["binding_types"]["min_frequency"], lost["loses"]) == ([1, 2], True)
    assert lost["station_utility"] == pytest.approx(earned, rel=1e-12)
    assert lost["utility_without_bounds"] == pytest.approx(free, rel=1e-12)
    table = rows_of(edges / "out" / "networks.csv")
    assert [row["any_quality"] for row in table] == ["False", "True", "True"]
    assert [row["min_frequency_binds"] for row in table[1:]] == ["1", "2"]
    assert table[0]["station_utility"] == table[0]["regret"] == ""
    bounds = [row["binding_bound"] for row in rows_of(edges / "out" / "items.csv")[2:]]
    assert bounds == ["min_frequency", "max_frequency", "min_frequency", "min_frequency"]


def test_no_quality_of_observed_devices(tmp_path, capsys):
    """What the number of types costs is not asked, and nothing is drawn."""
    (tmp_path / "n.csv").write_text("slot_duration,max_aoi,max_latency\n3,0.95,0.73\n")
    command = ("--history", EXAMPLES / "costs.csv", "--types", 2, "--out", tmp_path / "out")
    assert design(tmp_path / "n.csv", *command) == 3
    printed = capsys.readouterr().out
    assert not NO_NUMBER.search(printed)
    assert "What the number of types costs" not in printed
    names = ["config.json", "contract.json", "grouping.csv", "items.csv", "networks.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_many_networks_are_told_apart_in_the_summary(edges, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(contracts, "SHOWN", 2)
    assert design(edges / "n.csv", "--out", tmp_path / "out") == 3
    printed = capsys.readouterr().out
    assert "3 networks, the exact optimum of each; 2 feasible" in printed
    assert (
        "bounds on f: min_frequency binds in 2, max_frequency binds in 1 of 3 networks, for all types in 1"
    ) in printed
    assert "the base station loses in 1, where offering nothing is better" in printed
    assert "no contract has a quality of data in 1, the first of them row 2:" in printed
    assert not NO_NUMBER.search(printed)


def test_a_whole_cycle_binds_only_where_a_longer_one_is_better(tmp_path):
    """The golden state's best cycles are 6 and 3 slots; with slots of a second 2 is the only one, or none."""
    bounds = {"free": (0.01, 1), "the longest by choice": (1 / 6.5, 1), "held": (0.2, 0.3)}
    rows = "".join(f"0.001,{low},{high},{GOLDEN}" for low, high in bounds.values())
    ideal = 1 + 0.75 * 0.95 + 0.25 * 0.73
    rows += "".join(f"{ideal / slots},0.01,1,{GOLDEN}" for slots in (1.88, 1.87))  # W(1/2) = ideal - 1.875 t
    (tmp_path / "n.csv").write_text(COLUMNS + rows)
    (block,) = read_networks(tmp_path / "n.csv")
    found = Solver(Exact.from_name("whole cycles"))(block)
    np.testing.assert_allclose(1 / found["frequency"], [[6, 3], [6, 3], [5, 4], [2, 2], [2, 2]])
    np.testing.assert_array_equal(found["binding"], [[0, 0], [0, 0], [-1, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(loses(found), [False, False, False, True, False])
    little = "\n".join(network_remarks(block, found, 3, "whole cycles", {}))
    none = "\n".join(verdict(found, 4, "whole cycles", (0, 0)))
    assert network_remarks(block, found, 4, "whole cycles", {}) == []
    assert "offering nothing is better: the quality of data itself is below zero" in little
    assert "NOT FEASIBLE: data has no quality at the frequency of all 2 types" in none
    assert not NO_NUMBER.search(little + none)


def test_a_loss_by_payments_is_not_laid_on_quality(tmp_path, capsys):
    """At a cost of 1e9 even the quality is below zero, for cycles are so long, and payments are far more."""
    (tmp_path / "n.csv").write_text("max_aoi,max_latency,type_probs_1,device_types_1\n0.9,0.9,1,1e-9\n")
    assert design(tmp_path / "n.csv", "--out", tmp_path / "out") == 0
    (loss,) = (line for line in capsys.readouterr().out.splitlines() if "the base station loses" in line)
    assert loss.endswith("offering nothing is better: costs and unit_profit must be in one unit")


def test_items_of_a_policy_stand_at_a_bound_where_they_are_on_it():
    fields = {"min_frequency": np.array([0.1]), "max_frequency": np.array([0.3])}
    contract = jc.Contract(frequency=np.array([[0.1000000015, 0.2, 0.3]]), payment=np.ones((1, 3)))
    learned = Learned(policy=None, env=None, params=None)
    np.testing.assert_array_equal(learned.find_binding(fields, contract, contract), [[-1, 0, 1]])


def test_of_one_type_no_ic_is_said(tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure, _: drawn.append(figure))
    (tmp_path / "n.csv").write_text("max_aoi,max_latency,type_probs_1,device_types_1\n0.9,0.9,1,5\n")
    assert design(tmp_path / "n.csv", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "its IR constraint holds, and of one type no IC is asked, within 1e-09" in printed
    assert "(least slack: IR 0.0e+00)" in printed
    assert "least slack: IR 0" in words(drawn[0])
    assert not NO_NUMBER.search(printed.replace("complete inf.", ""))


def test_a_picture_of_some_types_has_their_numbers_and_the_slack_of_all(tmp_path, capsys, monkeypatch):
    drawn: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, _: drawn.append(figure))
    size = 100
    types = ",".join(f"device_types_{k},type_probs_{k}" for k in range(1, size + 1))
    values = ",".join(f"{1 + 0.1 * k},0.01" for k in range(size))
    (tmp_path / "n.csv").write_text(f"max_aoi,max_latency,{types}\n0.95,0.73,{values}\n")
    assert design(tmp_path / "n.csv", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    least = float(re.search(r"least slack: IR \S+, IC ([^)]+)\)", printed)[1])
    assert abs(least) < 1e-12
    (figure,) = drawn
    told = words(figure)
    assert {"row 2, 32 of its 100 types", "least slack: IR 0, IC 0", "type 1", "type 100"} <= set(told)
    shown = np.linspace(1, size, 32).round()
    curves = [line.get_xdata() for line in figure.axes[1].lines if len(line.get_xdata()) == 32]
    assert len(curves) == 33
    assert all(np.array_equal(curve, shown) for curve in curves)
    items = rows_of(tmp_path / "out" / "items.csv")
    at = shown.astype(int) - 1
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), column(items, "frequency")[at])
    numbers = [int(text[5:]) for text in told if re.fullmatch(r"type \d+", text)]
    assert set(numbers) <= set(at + 1)


def test_numbers_of_types_stand_beside_their_items():
    types, pair = np.array([2.0, 3.0, 9.0]), (np.array([0.1, 0.2, 0.38]), np.array([0.05, 0.08, 0.1]))
    rows = [figures.Design("a", types, {"optimum": pair}, [1, 40, 77], {"largest violation:": 2e-3})]
    told = words(figures.designs(rows))
    assert {"1", "40", "77", "type 40", "largest violation: 0.002"} <= set(told)


def test_totals_keep_a_violation_that_is_no_number(tmp_path):
    (tmp_path / "n.csv").write_text(HEADER + 2 * GOLDEN)
    (block,) = read_networks(tmp_path / "n.csv")
    found = dict.fromkeys(("regret", "station_utility", "optimum", "complete_information"), np.zeros(2))
    found |= {"pooled": np.zeros(2), "device_utility": np.zeros(2), "binding": np.zeros((2, 2), int)}
    found |= {"frequency": np.ones((2, 2)), "greatest_worth": np.ones(2)}
    totals = Totals()
    totals.add(
        block,
        {
            **found,
            "feasible": np.array([False, True]),
            "any_quality": np.ones(2, bool),
            "max_violation": np.array([np.nan, 0]),
        },
    )
    assert np.isnan(totals.as_dict()["max_violation"])


def test_kmeans_finds_as_many_groups_as_it_is_said_to():
    costs = Observed(np.arange(1.0, 301.0), np.ones(300, int))
    assert len(by_kmeans(costs, MOST_CLUSTERS)) == MOST_CLUSTERS == 255
    with pytest.raises(ValueError, match="255"):
        by_kmeans(costs, MOST_CLUSTERS + 1)


def test_more_types_than_kmeans_finds_are_refused_before_any_work_and_left_out_of_the_table(
    tmp_path, capsys, monkeypatch
):
    (tmp_path / "c.csv").write_text("cost\n" + "\n".join(str(0.1 + 0.001 * k) for k in range(300)))
    command = (EXAMPLES / "network.json", "--history", tmp_path / "c.csv", "--grouping", "kmeans")
    assert design(*command, "--types", 256, "--out", tmp_path / "out") == 2
    said = "--types 256: --grouping kmeans takes at most 255; use --grouping quantiles"
    assert capsys.readouterr().err == f"jaxcontract design: error: {said}\n"
    assert not (tmp_path / "out").exists()

    monkeypatch.setitem(MOST_TYPES, "kmeans", 3)  # few types compile soon
    (tmp_path / "c.csv").write_text("cost\n" + "\n".join(str(0.1 + 0.001 * k) for k in range(5)))
    assert design(*command, "--types", 2, "--out", tmp_path / "out") == 0
    assert "left out: 4 types; --grouping kmeans takes at most 3" in capsys.readouterr().out
    sizes = [row["num_types"] for row in rows_of(tmp_path / "out" / "resolution.csv")]
    assert sizes == ["1", "2", "3", "5"]  # the last is an item for every cost


def test_payments_of_millions_are_held_to_so_many_digits(tmp_path, capsys):
    (tmp_path / "c.csv").write_text("cost\n1e-12\n1\n1e6\n1e12\n")
    command = (EXAMPLES / "network.json", "--history", tmp_path / "c.csv", "--types", 4)
    assert design(*command, "--out", tmp_path / "out") == 0
    assert "all 4 IR and 12 IC constraints hold within 0.198" in capsys.readouterr().out  # 1e-9 of 1.98e8
    assert {row["as_meant"] for row in rows_of(tmp_path / "out" / "resolution.csv")} == {"1.0"}
