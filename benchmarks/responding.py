"""Best responses of one station, ours and SLSQP's, on the same states and against the same rivals."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import clock
import jaxcontract as jc
from jaxcontract.mechanism.rounds import put_rounds_last, unchecked
from solving import spread

SYSTEM = jc.System(unit_profit=1.0, slot_duration=0.1)
TASTE_SCALE = 0.1
LEAST_FREQUENCY = 0.05  # of SLSQP: below, data has no quality in slots of 0.1 s
MOST_RENT = 0.5  # of the rivals' offers and of SLSQP's first guesses, units of payment


def time_ours(
    states: jc.NetworkState, rivals: np.ndarray, repeats: int
) -> tuple[dict[str, Any], jc.Contract]:
    """Figures of a batch in float64, each core its share of the rounds, and the contracts [B, K]."""
    cores = clock.num_threads()
    columns = jax.tree.map(jnp.asarray, (put_rounds_last(states), np.moveaxis(rivals, 0, -1)))
    split = jax.tree.map(lambda leaf: jnp.split(leaf, cores, axis=-1), columns)
    shares = jax.tree.transpose(jax.tree.structure(columns), None, split)
    constants = jax.tree.map(jnp.asarray, (SYSTEM, TASTE_SCALE))  # x64 is not for other threads

    def respond(constants, share):
        (system, taste_scale), (state, rivals) = constants, share
        return unchecked(jc.participation_contract)(system, state, taste_scale, rivals)

    program, seconds = clock.compile_timed(respond, constants, shares[0], options=clock.fast_options())
    with ThreadPoolExecutor(cores) as pool:

        def run() -> list[Any]:
            return list(pool.map(lambda share: jax.block_until_ready(program(constants, share)), shares))

        timing = clock.repeat(run, repeats, seconds)
        found = run()
    size = len(rivals)
    figures = {
        "states": size,
        "states_per_second": timing.rate(size),
        "seconds_per_state": spread([total / size for total in timing.seconds]),
        "compile_seconds": timing.compile_seconds,
    }
    return figures, jax.tree.map(lambda *parts: np.concatenate(parts, axis=-1).T, *found)


def time_slsqp(
    states: jc.NetworkState, rivals: np.ndarray, most: int, starts: int
) -> tuple[list[float], np.ndarray]:
    """Seconds of every start, and the utilities [N, starts] found; minus infinity where infeasible."""
    seconds, found = [], np.full((most, starts), -np.inf)
    for index in range(most):
        state = jax.tree.map(lambda leaf, index=index: np.asarray(leaf[index], float), states)
        for start in range(starts):
            began = time.perf_counter()
            found[index, start] = climb(state, rivals[index, 0], np.random.default_rng([index, start]))
            seconds.append(time.perf_counter() - began)
    return seconds, found


def climb(state: jc.NetworkState, rival: np.ndarray, generator: np.random.Generator) -> float:
    """What SLSQP ends with from one random start."""
    minimize: Any = import_module("scipy.optimize").minimize
    types, size = np.asarray(state.device_types), len(rival)
    own, other = np.nonzero(~np.eye(size, dtype=bool))
    elsewhere = np.logaddexp(0.0, rival / TASTE_SCALE)
    slot, preference = float(SYSTEM.slot_duration), float(SYSTEM.aoi_preference)

    def slacks(items):
        table = items[None, size:] - items[None, :size] / types[:, None]
        return np.concatenate([np.diagonal(table), table[own, own] - table[own, other]])

    def loss(items):
        frequency, payment = items[:size], items[size:]
        age, latency = slot * (frequency + 0.5 / frequency + 0.5), slot * (1 + frequency)
        index = preference * (state.max_aoi - age) + (1 - preference) * (state.max_latency - latency) + 1
        profit = float(SYSTEM.unit_profit) * np.log(index) - payment
        utility = (payment - frequency / types) / TASTE_SCALE
        return -np.sum(state.type_probs * profit / (1 + np.exp(np.clip(elsewhere - utility, -700, 700))))

    frequency = np.sort(generator.uniform(0.1, 0.6, size))
    payment = generator.uniform(0.0, MOST_RENT) + np.cumsum(np.diff(frequency, prepend=0.0) / types)
    with np.errstate(invalid="ignore"):
        result = minimize(
            loss,
            np.concatenate([frequency, payment]),
            method="SLSQP",
            bounds=[(LEAST_FREQUENCY, 1.0)] * size + [(0.0, None)] * size,
            constraints=[{"type": "ineq", "fun": slacks}],
            options={"maxiter": 300, "ftol": 1e-13},
        )
    feasible = np.isfinite(result.fun) and slacks(result.x).min() > -1e-9
    return -float(SYSTEM.num_devices) * result.fun if feasible else -np.inf


def compare(
    num_types: int, batch: int, repeats: int, most: int, starts: int, accuracy: float
) -> dict[str, Any]:
    """All figures of one K; SLSQP's are None where it solves no state."""
    with jax.enable_x64(True):
        cores = clock.num_threads()
        size = cores * math.ceil(max(batch, most) / cores)
        distribution = jc.NetworkDistribution.equal_bands(num_types)
        states = jax.tree.map(
            lambda leaf: np.asarray(leaf, float),
            jc.sample_network(jax.random.key(num_types), distribution, size),
        )
        rivals = draw_rivals(size, num_types)
        ours, contracts = time_ours(states, rivals, repeats)
        first = max(most, 100)
        some = jax.tree.map(lambda leaf: leaf[:first], (states, rivals, contracts))
        best = jax.jit(jax.vmap(jc.best_response, (None, 0, None, 0)))(SYSTEM, some[0], TASTE_SCALE, some[1])
        earned = np.asarray(
            jax.vmap(jc.participation_utility, (None, 0, 0, None, 0))(
                SYSTEM, some[0], some[2], TASTE_SCALE, some[1]
            )
        )
        ours["largest_gap"] = float(np.max(np.asarray(best.upper_bound) / earned - 1))
        row: dict[str, Any] = {"num_types": num_types, "ours": ours, "slsqp": None}
        if not most:
            return row
        seconds, found = time_slsqp(states, rivals, most, starts)
    behind = found / earned[:most, None] - 1
    row["slsqp"] = {
        "states": most,
        "seconds_per_start": spread(seconds),
        "found": int(np.sum(behind.max(axis=1) >= -accuracy)),
        "found_by_one": float(np.mean(behind >= -accuracy)),
        "ahead": float(behind.max()),
    }
    own = ours["seconds_per_state"]["median"]
    row["times_faster"] = float(np.mean(seconds)) * starts / own
    row["times_one_start"] = float(np.mean(seconds)) / own
    return row


def draw_rivals(size: int, num_types: int) -> np.ndarray:
    """What each type gets elsewhere, [B, 1, K]: as from a station, the higher types a little more."""
    generator = np.random.default_rng(num_types)
    base = generator.uniform(0.0, MOST_RENT, (size, 1))
    offers: np.ndarray = base + np.sort(generator.uniform(0.0, 0.15, (size, num_types)), axis=1)
    return offers[:, None]
