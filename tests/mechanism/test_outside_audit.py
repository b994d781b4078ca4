"""The exact optimum before an outside auditor: mechaudit, which knows mechanisms and none of our algebra.

Device types are its types and items its outcomes. Its tolerances are absolute, so utilities are kept near 1,
and it wants shares that sum to 1 in double precision.
"""

import jax
import numpy as np
import pytest

import jaxcontract as jc

mechaudit = pytest.importorskip("mechaudit", reason="mechaudit is not installed", exc_type=ImportError)

AGENT = "device"
REQUIREMENTS = (mechaudit.DSIC(), mechaudit.ExPostIR())
SYSTEMS = {"paper": jc.System(), "stress": jc.System(unit_profit=1.0, slot_duration=0.1)}


@pytest.fixture(scope="module", params=[("paper", 2), ("paper", 5), ("stress", 3), ("stress", 8)], ids=str)
def solved(request):
    """(system, state, optimum, its certificate, its U_B of one device), in double precision."""
    name, size = request.param
    system = SYSTEMS[name]

    @jax.jit
    def solve(state):
        best = jc.optimal_contract(system, state)
        certificate = jc.certify(system, state, best, 1e-9)
        return best, certificate, jc.station_utility(system, state, best) / system.num_devices

    with jax.enable_x64(True):
        state = jc.sample_network(jax.random.key(size), jc.NetworkDistribution.equal_bands(size))
        probs = np.asarray(state.type_probs, np.float64)
        state = state.replace(type_probs=probs / probs.sum())
        yield system, state, *jax.device_get(solve(state))


def environment(state, frequencies):
    """Devices of K types, of which one is met, and items by their frequencies [N]."""
    types = np.asarray(state.device_types).tolist()
    return mechaudit.FiniteEnvironment(
        agents={AGENT: range(len(types))},
        outcomes=range(len(frequencies)),
        prior={(kind,): share for kind, share in enumerate(np.asarray(state.type_probs).tolist())},
        values=mechaudit.PrivateValues(lambda _, kind, item: -float(frequencies[item]) / types[kind]),
    )


def menu(contract, payment=None):
    """The contract as a direct mechanism: type k gets item k for certain; it pays what it is not paid."""
    paid = np.asarray(contract.payment if payment is None else payment)
    return mechaudit.DirectMechanism(allocation=np.eye(len(paid)), payments=-paid[:, None])


def most_per_device(system, state, items):
    """What the best randomised mechanism over frequencies [N] earns of a device: a linear program."""
    devices = environment(state, items)
    with jax.enable_x64(True):
        quality = np.asarray(jax.jit(jc.quality_of_data)(system, state, items))
    middle = quality.mean()  # so that what is added up stays near 1
    objective = {}
    for report, share in zip(devices.report_profiles, np.asarray(state.type_probs).tolist(), strict=True):
        objective[mechaudit.PaymentCoordinate(report, AGENT)] = share
        for item, worth in enumerate(quality.tolist()):
            gain = share * system.unit_profit * (worth - middle)
            objective[mechaudit.AllocationCoordinate(report, item)] = gain
    problem = mechaudit.DesignProblem(
        environment=devices,
        objective=mechaudit.CustomLinearObjective("station", objective),
        requirements=REQUIREMENTS,
    )
    return problem.solve().objective_value + system.unit_profit * middle


def test_the_auditor_finds_the_optimum_feasible_and_what_is_not_so_infeasible(solved):
    _, state, best, certificate, _ = solved
    devices, size = environment(state, best.frequency), len(best.payment)
    report = devices.audit(menu(best), REQUIREMENTS)
    assert report.passed
    assert len(report.ic) == size * (size - 1)
    assert len(report.ir) == size
    apart = certificate.ic_slack[~np.eye(size, dtype=bool)]
    assert report.ir.minimum_slack == pytest.approx(certificate.ir_slack.min(), abs=1e-12)
    assert report.ic.minimum_slack == pytest.approx(apart.min(), abs=1e-12)
    for spoiled in (best.payment - 1e-6, best.payment - 1e-6 * np.arange(size)):
        assert not devices.audit(menu(best, spoiled), REQUIREMENTS).passed


def test_no_randomised_mechanism_on_a_grid_earns_more(solved):
    system, state, best, _, ours = solved
    grid = np.geomspace(best.frequency[0] / 3, min(1.0, 2 * best.frequency[-1]), 15)
    items = np.unique(np.concatenate([grid, best.frequency]))
    assert most_per_device(system, state, items) == pytest.approx(ours, rel=1e-11)
    assert most_per_device(system, state, np.setdiff1d(grid, best.frequency)) < ours
