"""Devices that may walk away: what the contract of (10) earns when taking part is a choice."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.figures import participation_curves
from jaxcontract.mechanism.incentives import device_utilities, station_utility
from jaxcontract.mechanism.network_states import printed_states
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.participation import best_response, participation, participation_utility
from jaxcontract.mechanism.records import System
from reproduction.cases import Case, Scale
from reproduction.item import Claim, Item, verdict
from reproduction.trainer import TrainedCase, Trainer

TITLE = "Devices that may walk away"
TASTE_SCALES = np.geomspace(0.01, 30.0, 36)
SHOWN, TYPICAL = 0, 1.0  # the printed state that is drawn, and the μ that the claim is about
LOST = 0.02  # of the best U, above which the contract of (10) is not what to post


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """Nothing is learned here."""
    del scale
    return {}


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """U of the contract of (10) beside the best for devices with a choice, certified, over μ."""
    del trainer, outcomes
    states = printed_states()
    scales = np.sort(np.append(TASTE_SCALES, TYPICAL))
    with jax.enable_x64(True):
        given = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), states)
        found = jax.device_get(jax.jit(_solve)(given, scales))
        certain = jax.vmap(_earn_of_all)(given)
    rows = [
        {"state": number + 1, "taste_scale": scale, **{name: found[name][number, at] for name in found}}
        for number in range(len(states.max_aoi))
        for at, scale in enumerate(scales)
    ]
    at = int(np.argmin(np.abs(scales - TYPICAL)))
    shares = found["naive"][:, at] / found["best"][:, at]
    gaps = found["upper_bound"] / found["best"] - 1.0
    figure = partial(
        participation_curves,
        scales,
        np.stack([found["best"], found["naive"]])[:, SHOWN],
        np.stack([found["best_joining"], found["naive_joining"]])[:, SHOWN],
        float(certain[SHOWN]),
    )
    claim = Claim(
        "The contract of (10) is what a base station should post, though it leaves the lowest type nothing.",
        verdict(bool(np.all(shares > 1.0 - LOST))),
        f"When taking part is a choice (a logit of scale μ = {TYPICAL:g}), it earns "
        + ", ".join(f"{one:.0f}" for one in found["naive"][:, at])
        + " in the printed states, where the best contract earns "
        + ", ".join(f"{one:.0f}" for one in found["best"][:, at])
        + f" (certified within {gaps.max():.0e} for all μ). At μ = {scales[0]:g} it still earns only "
        f"{np.max(found['naive'][:, 0] / found['best'][:, 0]):.0%} of the best: who gains nothing comes half "
        "the time.",
    )
    return Item(tables={"participation": rows}, figures={"participation": figure}, claims=[claim])


def _earn_of_all(state: Any) -> jax.Array:
    """U_B* of (10): every device takes part."""
    return station_utility(System(), state, optimal_contract(System(), state))


def _solve(states: Any, scales: Any) -> dict[str, jax.Array]:
    """By state and μ, [3, V]."""
    system = System()

    def one(state, scale):
        naive = optimal_contract(system, state)
        best = best_response(system, state, scale)

        def joining(contract):
            rents = jnp.diagonal(device_utilities(state, contract))
            return jnp.sum(state.type_probs * participation(rents, scale))

        return {
            "best": best.utility,
            "upper_bound": best.upper_bound,
            "naive": participation_utility(system, state, naive, scale),
            "best_joining": joining(best.contract),
            "naive_joining": joining(naive),
        }

    return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(states, scales)
