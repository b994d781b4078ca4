"""Training on networks like those of a file: the law that covers them, and what is refused."""

import json

import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.design.command import main as design
from jaxcontract.cli.train.command import main
from jaxcontract.cli.train.network_file import fit_law

HEAD = "max_aoi,max_latency,type_probs_1,type_probs_2,device_types_1,device_types_2,unit_profit\n"
ROWS = ["0.9,0.7,0.5,0.5,2,12,50", "0.8,0.95,0.3,0.7,3,9,50", "0.85,0.8,1,0,4,10,50"]


@pytest.fixture
def networks(tmp_path):
    def write(*rows):
        file = tmp_path / "networks.csv"
        file.write_text(HEAD + "\n".join(rows) + "\n")
        return file

    return write


def test_the_law_covers_the_networks_of_the_file(networks):
    options = fit_law(networks(*ROWS)).options
    assert options["num_types"] == 2
    assert options["aoi_range"] == (0.8, 0.9)
    assert options["latency_range"] == (0.7, 0.95)
    assert options["type_edges"] == (2.0, 6.5, 12.0)
    assert options["unit_profit"] == 50.0


def test_bands_that_overlap_are_said(networks):
    fitted = fit_law(networks(ROWS[0], "0.8,0.95,0.3,0.7,10,11,50"))
    assert fitted.options["type_edges"] == (2.0, 10.5, 12.0)
    assert not any("outside its band" in line for line in fitted.said)
    fitted = fit_law(networks(ROWS[0], "0.8,0.95,0.3,0.7,3,5,50", "0.8,0.95,0.3,0.7,9,11,50"))
    assert fitted.options["type_edges"] == (2.0, 7.0, 12.0)
    assert "2 of 3 networks have a type outside its band" in fitted.said[-1]
    assert "first in row 3" in fitted.said[-1]


def test_one_network_says_what_would_widen_its_law(networks):
    said = fit_law(networks(ROWS[0])).said
    assert "--aoi-range and --latency-range" in said[-1]


def test_what_is_said_of_the_law_is_what_is_drawn_from(networks):
    (line,) = fit_law(networks(ROWS[0]), {"aoi_range": (0.1, 0.2), "latency_range": (0.5, 1.0)}).said
    assert "max_aoi in [0.1, 0.2] s, max_latency in [0.5, 1] s" in line


def test_networks_of_two_deployments_are_refused_with_their_rows(networks):
    file = networks(*ROWS[:2], "0.85,0.8,1,0,4,10,60")
    with pytest.raises(ValueError, match=r"unit_profit is 50 in row 2 and 60 in row 4: a policy is trained"):
        fit_law(file)


@pytest.mark.long
def test_a_policy_is_trained_on_the_law_and_options_come_first(networks, tmp_path):
    out = tmp_path / "run"
    small = "--seeds 1 --num-updates 2 --num-envs 16 --eval-states 50 --curve-states 50".split()
    asked = ["--network-file", str(networks(*ROWS)), "--aoi-range", "0.6,1", "--out", str(out)]
    assert main([*asked, *small]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["setting"]["law"]["aoi_range"] == [0.6, 1.0]
    assert summary["setting"]["law"]["latency_range"] == [0.7, 0.95]
    assert summary["setting"]["problem"]["unit_profit"] == 50.0
    _, params = jc.load_env(out)
    np.testing.assert_allclose(params.distribution.type_edges, [2.0, 6.5, 12.0])
    assert params.scale.payment_unit != 1.0
    assert "printed_states" not in summary


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--num-types 3", "--num-types 3: the networks of"),
        ("--type-edges 1,2,3,4", "--type-edges: has 3 bands, the networks of"),
        ("--type-edges 1,x", "'1,x': must be numbers such as 0.5,1"),
        ("--aoi-range 1,0.5", "aoi_range = (1.0, 0.5): must be 2 positive numbers, ascending"),
    ],
)
def test_what_does_not_go_with_the_file_is_refused_in_one_line(networks, options, line, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--network-file", str(networks(*ROWS)), *options.split()])
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("group_cost", ["highest", "mean"])
def test_grouped_costs_are_a_file_to_train_on_with_the_groups_as_bands(tmp_path, group_cost):
    """The law's edges are the ends of the groups' costs, and the network designed for lies inside."""
    file, out = tmp_path / "costs.csv", tmp_path / "out"
    file.write_text(
        "device,cost\n" + "\n".join(f"p{at},{cost}" for at, cost in enumerate([1, 2, 3, 8, 9, 20]))
    )
    network = tmp_path / "n.json"
    network.write_text('{"states": [{"max_aoi": 0.9, "max_latency": 0.8}]}')
    asked = [str(network), "--history", str(file), "--types", "2", "--out", str(out)]
    assert design([*asked, "--grouping", "quantiles", "--group-cost", group_cost]) == 0
    fitted = fit_law(out / "train_on.json")
    np.testing.assert_allclose(fitted.options["type_edges"], [1 / 20, 1 / 3, 1.0])
    assert not any("outside its band" in line for line in fitted.said)
    first = json.loads((out / "train_on.json").read_text())["states"][0]
    dearest = {"highest": [20, 3], "mean": [37 / 3, 2]}[group_cost]
    np.testing.assert_allclose(first["device_types"], 1 / np.array(dearest))
    assert (first["max_aoi"], first["max_latency"]) == (0.9, 0.8)
