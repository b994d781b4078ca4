"""What the design command chooses from observed costs, and what it remarks: --strict makes that a failure."""

import itertools
import json
import shutil

import numpy as np
import pytest

import jaxcontract as jc
from design_command import column, design, rows_of
from jaxcontract.cli.design import command
from jaxcontract.cli.design.grouping import form_groups, group
from jaxcontract.cli.design.held_out import LARGEST, HeldOut, hold_out
from jaxcontract.cli.design.outliers import find_far
from jaxcontract.cli.design.resolution import find_outcomes
from jaxcontract.cli.input_files.observed import Observed
from jaxcontract.mechanism.best_items import make_best_items
from jaxcontract.mechanism.best_menus import best_menus
from paths import EXAMPLES, ROOT

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NETWORK = EXAMPLES / "network.json"
STATE = jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[1.0], device_types=[1.0])
PAPER = {name: field.default for name, field in jc.System.__dataclass_fields__.items()}
CONSTANTS = {**PAPER, "max_aoi": 0.95, "max_latency": 0.73}


def write_network(path, **constants):
    path.write_text(json.dumps({"system": constants, "states": [{"max_aoi": 0.95, "max_latency": 0.73}]}))
    return path


def write_costs(path, costs):
    path.write_text("cost\n" + "\n".join(map(repr, map(float, costs))) + "\n")
    return path


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Pictures take longer than all the rest, and have tests of their own."""
    monkeypatch.setattr(command, "attempt", lambda *_: [])


@pytest.fixture
def contracts_alone(monkeypatch):
    """What the number of types costs takes programs of its own."""
    monkeypatch.setattr(command, "study_history", lambda *_: None)


@pytest.fixture
def milliwatts(tmp_path, contracts_alone):
    """24 costs in milliwatts beside a profit in other units, and a network whose f is at least 0.01."""
    network = write_network(tmp_path / "n.json", min_frequency=0.01)
    return network, "--history", shutil.copy(ROOT / "tests/cases/milliwatts.csv", tmp_path)


def test_costs_in_another_unit_are_told_by_the_bound_the_loss_and_the_unit(milliwatts, tmp_path, capsys):
    out = tmp_path / "out"
    assert design(*milliwatts, "--types", 4, "--grouping", "quantiles", "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    (bound,) = [
        line for line in lines if line.startswith("bounds on f: all items stand at min_frequency = 0.01")
    ]
    assert bound.endswith("min_frequency 0.001 would earn +1485.9625")  # no lower one earns more
    (loss,) = [line for line in lines if "loses" in line]
    assert loss == (
        "the base station loses 944.8817, and offering nothing is better: "
        "costs and unit_profit must be in one unit"
    )
    record = json.loads((out / "contract.json").read_text())
    assert record["contract_of"][0]["remarks"] == [bound, loss]
    assert (record["losing"], record["all_at_min_frequency"], record["remarked"]) == (1, 1, 1)
    (gain,) = record["remarks_on_costs"]
    assert gain.startswith("--leave-out would earn ")
    assert gain in lines


def test_the_best_groups_are_found_anew_at_other_bounds(milliwatts, tmp_path, capsys):
    """Where all items stand at a bound one is enough; with a lower bound four earn more than quantiles do."""
    assert design(*milliwatts, "--types", 4, "--strict", "--out", tmp_path / "out") == 6
    printed = capsys.readouterr().out
    assert "--types 4: 1 earns as much, more items earn nothing" in printed
    assert "all items stand at min_frequency = 0.01, the only one; " in printed
    free = write_network(tmp_path / "free.json", min_frequency=0.001)
    assert design(free, *milliwatts[1:], "--types", 4, "--out", tmp_path / "free") == 0
    (brought,) = rows_of(tmp_path / "free" / "networks.csv")
    assert f"min_frequency 0.001 would earn +{float(brought['station_utility']):.4f}\n" in printed
    assert float(brought["station_utility"]) > 1485.9625
    said = "no data is worth more than 63.82: costs and unit_profit must be in one unit"
    assert said in capsys.readouterr().out  # it earns, by updates every 677 slots


def test_the_number_of_types_is_chosen_on_held_out_observations(tmp_path, capsys):
    out = tmp_path / "out"
    assert design(NETWORK, "--history", EXAMPLES / "costs.csv", "--strict", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "--types is left out: 4 types, the fewest that no other number beats beyond noise" in printed
    assert "held out: menus made from 200 resamples of the devices, on those not drawn" in printed
    sizes = rows_of(out / "resolution.csv")
    assert sizes[-1]["held_out"] == ""
    gain, low, high = (column(sizes[1:-1], f"held_out_{name}") for name in ("gain", "low", "high"))
    assert ((low < gain) & (gain < high)).all()
    assert len(rows_of(out / "items.csv")) == 4
    assert float(rows_of(out / "networks.csv")[0]["station_utility"]) == pytest.approx(2547.3172, abs=1e-3)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_groups_earn_no_less_than_quantiles_and_kmeans(seed):
    costs = np.random.default_rng(seed).lognormal(-1.5, 0.8, 80)
    observed = Observed(*np.unique(costs.round(2) + 0.01, return_counts=True))
    sizes = (1, 2, 3, 5, 8)
    state = jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[1.0], device_types=[1.0])
    menus = best_menus(observed.costs, observed.counts, 8, make_best_items(jc.System(), state))
    ways = [[form_groups(observed, menus[size - 1].highest) for size in sizes]]
    ways += [[group(observed, size, way) for size in sizes] for way in ("quantiles", "kmeans")]
    outcomes = find_outcomes(observed, list(itertools.chain(*ways)), CONSTANTS, jc.optimal_contract)
    best, *others = np.reshape([one.observed for one in outcomes], (3, -1))
    np.testing.assert_allclose(best, [40 * menus[size - 1].profit for size in sizes], rtol=1e-12)
    assert (best >= np.array(others) - 1e-9).all()
    assert (np.max(best - others, axis=1) > 1e-3).all()


def test_what_is_left_out_is_said_and_counts_for_nothing(tmp_path, capsys):
    """Data worth little: 3 of 10 devices cost more than they bring; against a file without them."""
    costs = [0.1, 0.1, 0.12, 0.15, 0.2, 0.21, 0.22, 5.0, 6.0, 7.0]
    network = write_network(tmp_path / "n.json", unit_profit=0.15, slot_duration=0.1, min_frequency=0.1)
    history = ("--history", write_costs(tmp_path / "c.csv", costs), "--types", 4)
    assert design(network, *history, "--leave-out", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "left out, since that earns more: 3 of 10 observations (30.00%), those that cost more" in printed
    assert "7 of 10 observations, in 4 types" in printed
    assert "the contract is for 28 of 40 devices" in printed
    rest = ("--history", write_costs(tmp_path / "rest.csv", costs[:7]), "--types", 4)
    assert design(network, *rest, "--out", tmp_path / "rest") == 0
    some, alone = (
        float(rows_of(tmp_path / name / "networks.csv")[0]["station_utility"]) for name in ("out", "rest")
    )
    assert some == pytest.approx(0.7 * alone, rel=1e-12)
    sizes = rows_of(tmp_path / "out" / "resolution.csv")
    assert float(sizes[3]["modelled"]) == pytest.approx(some, rel=1e-12)
    assert float(sizes[3]["observed"]) == pytest.approx(some, rel=1e-12)
    assert float(sizes[3]["taking_part"]) == pytest.approx(0.7)
    assert float(sizes[-1]["observed"]) >= max(column(sizes, "observed")) - 1e-12
    capsys.readouterr()
    assert design(network, *history, "--strict", "--out", tmp_path / "kept") == 6
    kept = float(rows_of(tmp_path / "kept" / "networks.csv")[0]["station_utility"])
    said = f"--leave-out would earn {some - kept:.4f} more: no item for 3 of 10 observations"
    assert said in capsys.readouterr().out
    one = write_network(
        tmp_path / "one.json", unit_profit=0.15, slot_duration=0.1, min_frequency=0.1, num_devices=1
    )
    assert design(one, *history, "--leave-out", "--out", tmp_path / "none") == 2
    assert "--leave-out: leaves 0.7 of 1 devices, fewer than one" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("contracts_alone")
def test_an_outlier_is_named_with_what_it_costs_and_kept(tmp_path, capsys):
    costs = np.random.default_rng(0).uniform(0.1, 0.4, 60)
    history = ("--history", write_costs(tmp_path / "c.csv", [*costs, 30.0]), "--types", 4)
    assert design(NETWORK, *history, "--strict", "--out", tmp_path / "out") == 6
    rest = ("--history", write_costs(tmp_path / "rest.csv", costs), "--types", 4)
    assert design(NETWORK, *rest, "--out", tmp_path / "rest") == 0
    printed = capsys.readouterr().out
    kept, without = (
        float(rows_of(tmp_path / name / "networks.csv")[0]["station_utility"]) for name in ("out", "rest")
    )
    assert (
        f"1 of 61 observations costs far more than the rest (30, beside at most {costs.max():.4g}): without "
        f"it the base station would earn {without - kept:.4f} more; it is kept\n"
    ) in printed
    assert "type 1 of 4 rests on one observation\n" in printed
    assert json.loads((tmp_path / "out" / "contract.json").read_text())["remarks_on_costs"]


def test_what_is_far_from_the_rest():
    ones = np.ones(20, int)
    spread = np.geomspace(0.1, 0.4, 19)
    np.testing.assert_array_equal(find_far(Observed(np.append(spread, 0.9), ones)).costs, [])
    np.testing.assert_array_equal(find_far(Observed(np.append(spread, 90.0), ones)).costs, [90.0])
    cluster = Observed(np.append(spread, [90.0, 91.0]), np.append(ones, 1))  # a tenth are no outliers
    assert find_far(cluster).num_devices == 0


def test_one_item_for_all_types_is_remarked(tmp_path, capsys):
    same = {"type_probs": [0.1, 0.2, 0.3, 0.4], "device_types": [3, 3, 3, 3]}
    state = {"max_aoi": 0.95, "max_latency": 0.73, **same}
    (tmp_path / "n.json").write_text(json.dumps({"states": [state]}))
    assert design(tmp_path / "n.json", "--strict", "--out", tmp_path / "out") == 6
    said = "the optimum is one item for all 4 types: telling them apart earns nothing here"
    assert capsys.readouterr().out.splitlines().count(said) == 1
    record = json.loads((tmp_path / "out" / "contract.json").read_text())
    assert [one["remarks"] for one in record["contract_of"]] == [[said]]
    assert (record["one_item"], record["remarked"]) == (1, 1)


def test_held_out_gains_are_those_of_a_known_population():
    """Costs 0.1 and 0.4, half of the devices each: what screening earns is known."""
    solve = make_best_items(jc.System(), STATE)
    population = Observed(np.array([0.1, 0.4]), np.array([1, 1]))
    one, two = (40 * menu.profit for menu in best_menus(*population[:2], 2, solve))
    found = hold_out(Observed(population.costs, np.array([200, 200])), solve, 3, leave_out=False)
    columns = found.describe(2, 40)
    assert columns["held_out_low"] < two - one < columns["held_out_high"]
    assert columns["held_out"] == pytest.approx(two, abs=0.05)
    np.testing.assert_array_equal(found.profit[:, 1], found.profit[:, 2])  # there is no third item
    assert found.choose_fewest() == 2
    assert np.isnan(found.describe(4, 40)["held_out"])


def test_few_observations_are_no_ground_for_many_types():
    costs = np.random.default_rng(4).lognormal(-1.5, 0.5, 8)
    solve = make_best_items(jc.System(), STATE)
    observed = Observed(np.sort(costs), np.ones(8, int))
    found = hold_out(observed, solve, 8, leave_out=False)
    fitted = 40 * best_menus(observed.costs, observed.counts, 8, solve)[-1].profit
    assert found.describe(8, 40)["held_out"] < fitted - 1
    assert found.choose_fewest() < 4
    assert hold_out(Observed(costs[:1], np.array([1])), solve, 1, leave_out=False) is None
    many = hold_out(Observed(np.array([0.1, 0.2]), np.array([10**6, 10**6])), solve, 2, leave_out=False)
    assert many.size == LARGEST


def test_the_fewest_within_noise():
    noise = np.random.default_rng(0).normal(size=(500, 3))
    profit = np.array([1.0, 2.0, 2.001]) + [0.1, 0.1, 0.1] * noise
    assert HeldOut(profit, 10).choose_fewest() == 2


def test_noise_of_many_types_does_not_hide_what_two_earn():
    noise = np.random.default_rng(0).normal(size=500)
    profit = np.stack([0.0 * noise, 1.0 + 0.1 * noise, 1.1 + 2.0 * noise], axis=1)
    assert HeldOut(profit, 10).choose_fewest() == 2
