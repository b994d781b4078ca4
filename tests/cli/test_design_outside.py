"""What networks are held against: those that the policy was trained on with the same number of types."""

import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.design.outside import OutsideTotals, find_outside
from jaxcontract.cli.design.telling import network_remarks
from jaxcontract.cli.input_files.network_rows import CONSTANTS, NetworkRows

SIZES = (2, 3, 4, 6, 7)
PLACES = 4  # columns of the file


def make_params(sizes=SIZES):
    law = jc.VariedTypes(type_edges=(1.0, 15.0), sizes=sizes)
    return jc.EnvParams(distribution=law)


def networks_of(*lists):
    """Networks whose φ are given, with equal shares, padded to PLACES as a file's rows are."""
    probs, types = np.zeros((len(lists), PLACES)), np.empty((len(lists), PLACES))
    for row, given in enumerate(lists):
        size = len(given)
        probs[row, :size] = 1 / size
        types[row] = [*given, *[given[-1]] * (PLACES - size)]
    ones = np.ones(len(lists))
    fields = {name: float(getattr(jc.System(), name)) * ones for name in CONSTANTS}
    fields |= {"max_aoi": 0.9 * ones, "max_latency": 0.7 * ones, "type_probs": probs, "device_types": types}
    return NetworkRows(np.arange(len(lists)) + 2, fields)


def test_a_network_lies_in_the_bands_of_its_own_number_of_types():
    """Of K types the k-th lies in the k-th of K equal parts of [1, 15]: of 2 below and above 8."""
    networks = networks_of([7.5, 8.5], [5.0, 9.0, 14.0], [4.0, 8.0, 9.0, 14.0], [2.0, 7.0], [7.5, 8.5, 12.0])
    where = find_outside(networks, make_params())
    assert where.num_types.tolist() == [2, 3, 4, 2, 3]
    # 7 is 1 below the upper half of 7; 7.5 is 17/6 − 1 above the lowest third, which ends at 17/3.
    beyond = [0, 0, 0, 1 / 7, (7.5 - 17 / 3) / (14 / 3)]
    np.testing.assert_allclose(where.distance, beyond, rtol=1e-5)
    assert [where.names[index] for index in where.quantity[3:]] == ["device_types_2", "device_types_1"]
    assert not where.other_size.any()


def test_networks_drawn_by_the_law_are_inside():
    params = make_params((2, 3, 4))
    state = jc.unseen_states(params.distribution, 300)
    rows = networks_of(*[[1.0]] * 300)
    fields = {**rows.fields, **{name: np.asarray(value, float) for name, value in vars(state).items()}}
    where = find_outside(NetworkRows(rows.rows, fields), params)
    assert set(where.num_types) == {2, 3, 4}
    assert np.all(where.distance == 0)
    assert not where.other_size.any()


def test_numbers_of_types_that_were_left_out_are_said():
    networks = networks_of([7.5, 8.5], [3.0], [2.0, 6.0, 12.0], [3.0])
    totals = OutsideTotals()
    found = {"feasible": np.ones(4, bool), "regret": np.array([1.0, 5.0, 1.0, 7.0])}
    totals.add(networks, found, make_params())
    assert totals.describe(4) == [
        "2 of 4 networks have a number of types that the policy was not trained on: K = 1 "
        "(it was on 2-4, 6-7)",
        "mean regret of such networks 6, of the others 1",
    ]
    told = totals.as_dict()
    assert (told["other_num_types"], told["outside_law"], told["farthest"]) == (2, 0, None)
    totals.add(networks, found, make_params((2, 4)))
    assert "K = 1, K = 3 (it was on 2, 4)" in totals.describe(8)[0]


def test_a_policy_of_one_number_of_types_takes_every_place_for_a_type():
    law = jc.NetworkDistribution.equal_bands(PLACES)
    where = find_outside(networks_of([2.0, 14.0]), jc.EnvParams(distribution=law))
    assert where.num_types.tolist() == [PLACES]
    assert where.distance[0] == pytest.approx((14.0 - 8.0) / 3.5)  # of the second band, which ends at 8


def test_far_outside_is_said_in_ranges():
    """φ_1 of two types lies in [1, 8], so that 22 is twice that range above it."""
    totals, networks = OutsideTotals(), networks_of([22.0, 23.0])
    totals.add(networks, {"feasible": np.ones(1, bool), "regret": np.ones(1)}, make_params())
    assert "by up to 2 times a range (device_types_1 in row 2)" in totals.describe(1)[0]


def test_a_contract_below_one_item_says_so():
    networks = networks_of([7.5, 8.5], [7.5, 8.5])
    columns = {
        "station_utility": [5.0, 4.0],
        "pooled": [4.5, 4.5],
        "greatest_worth": [50.0, 50.0],
        "payment": [[0.1, 0.2]] * 2,
        "frequency": [[0.1, 0.2]] * 2,
        "binding": [[0, 0]] * 2,
        "feasible": [True, True],
    }
    found = {name: np.array(column) for name, column in columns.items()}
    assert network_remarks(networks, found, 0, "learned", {}) == []
    (line,) = network_remarks(networks, found, 1, "learned", {})
    assert line == "one item for all types would earn 0.5 more than this contract"
