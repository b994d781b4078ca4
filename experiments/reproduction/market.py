"""A simulated market: the model's means against events played out."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxcontract.evaluation.offers import scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.figures import market
from jaxcontract.mechanism.freshness import average_aoi, average_latency
from jaxcontract.mechanism.network_states import printed_states
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.records import System
from jaxcontract.mechanism.simulation import simulate_market, simulate_requests, standard_error
from reproduction.cases import Case, Scale
from reproduction.item import Claim, Item, at_most, percent, verdict
from reproduction.trainer import TrainedCase, Trainer

TITLE = "A simulated market"
CYCLES = range(2, 21)
REQUESTS_PER_STATE = 25
SEED = 20


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """Nothing is learned here."""
    del scale
    return {}


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """Simulated age, latency and BS utility beside (1), (2) and (7)."""
    del outcomes
    rng = np.random.default_rng(SEED)
    num_requests, num_rounds = REQUESTS_PER_STATE * trainer.scale.states, trainer.scale.states
    fresh = _freshness_rows(rng, num_requests)
    rounds, utility = _market_rows(rng, num_rounds)
    columns = {name: np.array([row[name] for row in fresh]) for name in fresh[0]}
    figure = partial(
        market,
        columns["cycle"],
        columns["aoi"],
        columns["aoi_error"],
        columns["latency"],
        columns["latency_error"],
        slot_duration=System().slot_duration,
        rounds=rounds,
    )
    age = _deviations(fresh, "aoi")
    latency = _deviations(fresh, "latency")
    participation = np.mean([row["participation"] for row in utility])
    earned = np.array([(row["realised"] - row["expected"]) / row["realised_error"] for row in utility])
    return Item(
        tables={"market_freshness": fresh, "market_utility": utility},
        figures={"market": figure},
        claims=[
            Claim(
                "(1) and (2) are the mean age and latency of Poisson requests to a slotted cache.",
                verdict(bool(np.abs([*age, *latency]).max() < 4)),
                f"θ = {CYCLES[0]} … {CYCLES[-1]}, {num_requests:,} simulated requests each: the mean age is "
                f"off by at most {at_most(np.abs(age).max())} standard errors, the latency by "
                f"{at_most(np.abs(latency).max())}.",
            ),
            Claim(
                f"(7) is what the BS earns when {float(System().num_devices):g} devices choose freely among "
                "the items.",
                verdict(bool(np.abs(earned).max() < 4)),
                f"Printed states, {num_rounds:,} rounds each: mean realised U_B less (7) is "
                + ", ".join(f"{one:+.1f}" for one in earned)
                + f" standard errors; {percent(participation)} of the devices take part.",
            ),
        ],
    )


def _freshness_rows(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    slot = System().slot_duration
    rows = []
    for cycle in CYCLES:
        requests = simulate_requests(rng, cycle, slot, count)
        with jax.enable_x64(True):
            expected = float(average_aoi(1 / cycle, slot)), float(average_latency(1 / cycle, slot))
        rows.append(
            {
                "cycle": cycle,
                "aoi": requests.aoi.mean(),
                "aoi_error": _error(requests.aoi),
                "aoi_expected": expected[0],
                "latency": requests.latency.mean(),
                "latency_error": _error(requests.latency),
                "latency_expected": expected[1],
            }
        )
    return rows


def _error(values: np.ndarray) -> float:
    """The standard error of a mean, never less than its rounding: at θ = 2 every age is the same."""
    return max(standard_error(values), 1e-9 * float(values.mean()))


def _deviations(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """In standard errors."""
    return np.array([(row[name] - row[f"{name}_expected"]) / row[f"{name}_error"] for row in rows])


def _market_rows(
    rng: np.random.Generator, count: int
) -> tuple[dict[str, tuple[np.ndarray, float]], list[dict[str, Any]]]:
    solution = solve_reference(System(), printed_states())
    contracts = scheme_contracts(optimal_contract, solution)
    rounds, rows = {}, []
    for number in range(3):
        with jax.enable_x64(True):
            state, contract = (
                jax.tree.map(lambda leaf, row=number: leaf[row], record)
                for record in (solution.states, contracts)
            )
            played = simulate_market(rng, System(), state, contract, count)
        expected = float(solution.optimum[number])
        rounds[f"state {number + 1}"] = (played.station_utility, expected)
        rows.append(
            {
                "state": number + 1,
                "rounds": count,
                "realised": played.station_utility.mean(),
                "realised_error": standard_error(played.station_utility),
                "expected": expected,
                "participation": played.participation.mean(),
                "device_utility": played.device_utility.mean(),
            }
        )
    return rounds, rows
