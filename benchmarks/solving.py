"""Contracts per second of the exact optimum and of general solvers, and how far apart their answers are."""

import math
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import clock
import jaxcontract as jc
from convex import Peer, Solution, UnsolvedError
from jaxcontract.mechanism.rounds import put_rounds_last, unchecked

SYSTEM = jc.System()
PRECISIONS = ("float32", "float64")
CALLS = 20  # in each repeat, ours: one takes a few milliseconds


def time_ours(states: jc.NetworkState, precision: str, repeats: int) -> tuple[dict[str, Any], jc.Contract]:
    """Figures of `optimal_contract` on a batch [B, ...], and the contracts, NumPy arrays [B, K].

    B is a multiple of the number of cores.
    """
    system, columns = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, precision), (SYSTEM, put_rounds_last(states))
    )
    cores = clock.num_threads()
    split = jax.tree.map(lambda leaf: jnp.split(leaf, cores, axis=-1), columns)
    shares = jax.tree.transpose(jax.tree.structure(columns), None, split)
    solve_share = unchecked(jc.optimal_contract)
    program, seconds = clock.compile_timed(solve_share, system, shares[0], options=clock.fast_options())

    def solve(share):
        for _ in range(CALLS):
            contracts = jax.block_until_ready(program(system, share))
        return contracts

    with ThreadPoolExecutor(cores) as pool:
        timing = clock.repeat(lambda: list(pool.map(solve, shares)), repeats, seconds)
        found = list(pool.map(solve, shares))
    size = states.max_aoi.size
    figures = {
        "states": size,
        "states_per_second": timing.rate(CALLS * size),
        "seconds_per_state": spread([total / (CALLS * size) for total in timing.seconds]),
        "compile_seconds": timing.compile_seconds,
    }
    return figures, jax.tree.map(lambda *parts: np.concatenate(parts, axis=-1).T.astype(float), *found)


def time_peer(
    peer: Peer, states: jc.NetworkState, most: int, limit: float
) -> tuple[dict[str, Any], dict[int, Solution]]:
    """Figures of a peer on the first states of a batch, and what it found, by the state's index.

    most: how many states; limit: seconds after which no other is begun

    `own_seconds_per_state` is by the solver's own clock, without what CVXPY does around it.
    """
    solved: dict[int, Solution] = {}
    reason = None

    def attempt(index):
        nonlocal reason
        try:
            solved[index] = peer.solve(SYSTEM, jax.tree.map(lambda leaf: leaf[index], states))
        except UnsolvedError as error:
            reason = str(error).split(". ")[0]

    began = time.perf_counter()
    attempt(0)  # to warm up
    seconds: list[float] = []
    while not seconds or (len(seconds) < most and time.perf_counter() - began < limit):
        started = time.perf_counter()
        attempt(len(seconds))
        seconds.append(time.perf_counter() - started)
    figures = {
        "states": len(seconds),
        "solved": len(solved),
        "gave_up": reason,
        "seconds_per_state": spread(seconds),
        "own_seconds_per_state": spread([found.seconds for found in solved.values()]),
    }
    return figures, solved


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, min, max; None where there is nothing to sum up."""
    if not values or math.isnan(values[0]):
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def differences(
    states: jc.NetworkState, contracts: jc.Contract, solved: dict[int, Solution]
) -> dict[str, float]:
    """How far our contracts [B, K] are from those that a peer found, at most, relatively."""
    index = list(solved)
    ours = jax.tree.map(lambda leaf: leaf[index], contracts)
    theirs = jc.Contract(
        frequency=np.stack([found.frequency for found in solved.values()]),
        payment=np.stack([found.payment for found in solved.values()]),
    )
    of_each = jax.jit(jax.vmap(jc.station_utility, (None, 0, 0)))
    chosen = jax.tree.map(lambda leaf: leaf[index], states)
    utility, other = (np.asarray(of_each(SYSTEM, chosen, menu)) for menu in (ours, theirs))
    return {
        "utility": float(np.max(np.abs(utility / other - 1))),
        "frequency": float(np.max(np.abs(ours.frequency / theirs.frequency - 1))),
        "payment": float(np.max(np.abs(ours.payment / theirs.payment - 1))),
    }


def compare(
    num_types: int, peers: Sequence[Peer], batch: int, repeats: int, most: int, limit: float
) -> dict[str, Any]:
    """All figures of one K."""
    with jax.enable_x64(True):
        distribution = jc.NetworkDistribution.equal_bands(num_types)
        cores = clock.num_threads()
        size = cores * math.ceil(max(batch, most) / cores)
        states = jc.sample_network(jax.random.key(num_types), distribution, size)
        states = jax.tree.map(np.asarray, states)
        ours, contracts = {}, {}
        for precision in PRECISIONS:
            ours[precision], contracts[precision] = time_ours(states, precision, repeats)
        others = {}
        for peer in peers:
            figures, solved = time_peer(peer, states, most, limit)
            figures = {"constraints": peer.constraints(num_types), **figures}
            if solved:
                for precision in PRECISIONS:
                    own, other = (part["seconds_per_state"]["median"] for part in (ours[precision], figures))
                    apart = differences(states, contracts[precision], solved)
                    figures[precision] = {"times_faster": other / own, "difference": apart}
            others[peer.name] = figures
    return {"num_types": num_types, "ours": ours, "peers": others}


def exponent(rows: Sequence[dict[str, Any]], precision: str) -> float:
    """The p that fits our seconds per state ∝ K^p best; NaN for a single K."""
    seconds = [row["ours"][precision]["seconds_per_state"]["median"] for row in rows]
    return clock.exponent([row["num_types"] for row in rows], seconds)
