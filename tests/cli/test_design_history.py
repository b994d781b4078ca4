"""Observed costs in groups: against all partitions, and against devices that the package lets choose."""

import itertools
import json

import numpy as np
import pytest

import jaxcontract as jc
from design_command import column, design, rows_of
from jaxcontract.cli.design.grouping import form_groups, group
from jaxcontract.cli.design.resolution import choose_items, find_finest, find_outcomes
from jaxcontract.cli.input_files.observed import Observed, read_costs
from paths import EXAMPLES

PAPER = {name: field.default for name, field in jc.System.__dataclass_fields__.items()}
NETWORK = {**PAPER, "max_aoi": 0.95, "max_latency": 0.73}


def test_the_history_example(tmp_path, capsys):
    command = (EXAMPLES / "network.json", "--history", EXAMPLES / "costs.csv", "--types", 4)
    assert design(*command, "--out", tmp_path / "out") == 0
    items, groups, sizes = (
        rows_of(tmp_path / "out" / name) for name in ("items.csv", "grouping.csv", "resolution.csv")
    )
    np.testing.assert_allclose(column(items, "device_type"), column(groups, "device_type"))
    np.testing.assert_allclose(column(items, "type_prob").sum(), 1)
    costs = np.array([float(row["cost"]) for row in rows_of(EXAMPLES / "costs.csv")])
    assert column(groups, "highest_cost").max() == costs.max()
    at_four = next(row for row in sizes if row["num_types"] == "4")
    (brought,) = rows_of(tmp_path / "out" / "networks.csv")
    assert float(at_four["modelled"]) == pytest.approx(float(brought["station_utility"]), rel=1e-12)
    assert float(at_four["observed"]) == pytest.approx(float(brought["station_utility"]), rel=1e-12)
    assert float(at_four["taking_part"]) == 1
    best = max(float(row["observed"]) for row in sizes)
    assert int(sizes[-1]["num_types"]) == len(np.unique(costs))
    assert float(sizes[-1]["observed"]) == best
    printed = capsys.readouterr().out
    assert "What the number of types costs" in printed
    assert "400 observed devices" in printed
    assert f"{EXAMPLES / 'network.json'}: its types are not read, --history gives them\n" in printed
    assert len(json.loads((tmp_path / "out" / "contract.json").read_text())["read_as"]) == 1
    assert (tmp_path / "out" / "grouping.png").read_bytes().startswith(b"\x89PNG")


def observed_of(seed, count, digits=2):
    costs = np.round(np.random.default_rng(seed).lognormal(-1.5, 0.6, count), digits) + 0.01
    return Observed(*np.unique(costs, return_counts=True))


@pytest.mark.parametrize("observed", [[0.1, 0.2, 0.4, 0.5], [*[0.1] * 100, 0.2, 0.3, *[0.5] * 9]])
def test_no_number_of_types_has_two_rows(observed, tmp_path):
    """Neither that in which each cost has its own type, nor where ties leave fewer groups than asked for."""
    path, out = tmp_path / "costs.csv", tmp_path / "out"
    path.write_text("cost\n" + "\n".join(map(str, observed)) + "\n")
    words = (EXAMPLES / "network.json", "--history", path, "--types", 2, "--out", out)
    assert design(*words) == 0
    sizes = column(rows_of(out / "resolution.csv"), "num_types")
    assert (np.diff(sizes) > 0).all()
    assert sizes[-1] == len(set(observed))


@pytest.mark.parametrize("num_types", [1, 2, 5])
def test_kmeans_is_the_best_of_all_partitions(num_types):
    observed = observed_of(0, 25)
    found = group(observed, num_types, "kmeans")
    costs = np.repeat(observed.costs, observed.counts)

    def within(ends):
        parts = [costs[(costs > low) & (costs <= high)] for low, high in itertools.pairwise([0, *ends])]
        return sum(float(((part - part.mean()) ** 2).sum()) for part in parts)

    inner = itertools.combinations(observed.costs[:-1], num_types - 1)
    least = min(within([*ends, observed.costs[-1]]) for ends in inner)
    assert within(found.highest) == pytest.approx(least)
    assert found.explained == pytest.approx(1 - least / ((costs - costs.mean()) ** 2).sum())


def test_quantiles_are_as_many_devices_each():
    costs = np.random.default_rng(1).permutation(np.arange(1.0, 101.0))
    found = group(Observed(*np.unique(costs, return_counts=True)), 4, "quantiles")
    np.testing.assert_array_equal(found.highest, [25, 50, 75, 100])
    np.testing.assert_allclose(found.type_probs, 0.25)
    np.testing.assert_allclose(1 / found.device_types, [100, 75, 50, 25])
    tied = group(Observed(np.array([1.0, 2.0, 3.0]), np.array([97, 1, 2])), 3, "quantiles")
    np.testing.assert_array_equal(tied.highest, [1, 3])  # most devices cost the same: fewer groups
    np.testing.assert_allclose(tied.shares, [0.97, 0.03])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("stand_for", ["highest", "mean"])
@pytest.mark.parametrize("num_types", [1, 3, 6])
def test_what_observed_devices_bring_is_what_the_package_says(num_types, stand_for):
    """Against `realised_utility`, with every observed cost a type of its own."""
    observed = observed_of(2, 40, digits=3)
    grouping = group(observed, num_types, "quantiles", stand_for)
    (found,) = find_outcomes(observed, [grouping], NETWORK, jc.optimal_contract)
    state = jc.NetworkState(
        max_aoi=0.95, max_latency=0.73, type_probs=grouping.type_probs, device_types=grouping.device_types
    )
    contract = jc.optimal_contract(jc.System(), state)
    assert found.modelled == pytest.approx(float(jc.station_utility(jc.System(), state, contract)), abs=1e-8)
    meant = len(grouping.cost) - 1 - grouping.member[::-1]
    devices = jc.NetworkState(
        max_aoi=0.95,
        max_latency=0.73,
        type_probs=observed.counts[::-1] / observed.num_devices,
        device_types=1 / observed.costs[::-1],
    )
    menu = jc.Contract(frequency=contract.frequency[meant], payment=contract.payment[meant])
    assert found.observed == pytest.approx(
        float(jc.realised_utility(jc.System(), devices, menu, 1e-9)), abs=1e-8
    )
    if stand_for == "highest":
        assert (found.taking_part, found.as_meant) == (1, 1)
        assert found.observed == pytest.approx(found.modelled, abs=1e-8)
    else:
        assert found.taking_part < 1
        assert found.observed < found.modelled


@pytest.mark.usefixtures("float64")
def test_no_grouping_earns_more_than_an_item_for_every_cost():
    observed = observed_of(3, 60, digits=3)
    top = find_finest(observed, NETWORK, jc.optimal_contract)
    ways = [group(observed, size, way) for way in ("quantiles", "kmeans") for size in (1, 2, 4, 8, 16)]
    for one in find_outcomes(observed, ways, NETWORK, jc.optimal_contract):
        assert one.observed <= top.observed + 1e-9
    nested = [form_groups(observed, observed.costs[start::step]) for start, step in ((-1, 1), (0, 1))]
    coarse, fine = find_outcomes(observed, nested, NETWORK, jc.optimal_contract)
    assert coarse.observed < fine.observed == pytest.approx(top.observed)


def test_a_device_takes_the_item_meant_for_it_on_a_tie():
    frequency, payment = np.array([0.4, 0.2]), np.array([0.08, 0.06])
    costs = np.array([0.05, 0.1, 0.2, 0.31])  # indifferent at 0.1; 0.31 gains from none
    for meant in (0, 1):
        taken = choose_items(costs, np.full(4, meant), frequency, payment)
        np.testing.assert_array_equal(taken, [0, meant, 1, -1])


def test_a_million_costs_are_read(tmp_path):
    costs = np.random.default_rng(0).lognormal(-1.5, 0.6, 10**6)
    (tmp_path / "c.csv").write_text("cost\n" + "\n".join(map(repr, costs.tolist())))
    observed = read_costs(tmp_path / "c.csv")
    assert observed.num_devices == 10**6
    np.testing.assert_array_equal(observed.costs, np.unique(costs))
    assert group(observed, 8, "quantiles").type_probs == pytest.approx(0.125)
