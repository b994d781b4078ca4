"""Devices that may walk away, as one writes it in NumPy, and the best contract by somebody else's solver."""

import numpy as np
from scipy.optimize import minimize

from oracles import paper


def chances(utilities, taste_scale, rivals=()):
    """P_k = e^{u/μ}/(1 + Σ_j e^{u_j/μ} + e^{u/μ}), type by type. utilities [K], rivals [N − 1, K]."""
    out = []
    for own, *others in zip(utilities, *rivals, strict=True):
        offers = np.array([0.0, own, *others]) / taste_scale
        weights = np.exp(offers - offers.max())
        out.append(weights[1] / weights.sum())
    return np.array(out)


def earned(system, state, frequency, payment, taste_scale, rivals=()):
    """M Σ Q P (β QoD − r)."""
    utilities = payment - frequency / np.asarray(state.device_types)
    profit = paper.profit(system, state, frequency, payment)
    shares = np.asarray(state.type_probs) * chances(utilities, taste_scale, rivals)
    return float(system.num_devices * np.sum(shares * profit))


def best_by_slsqp(system, state, taste_scale, rivals, starts, seed):
    """The best value that SLSQP finds from random starts, with all IR and IC constraints as printed."""
    rng, size = np.random.default_rng(seed), len(state.type_probs)
    types = np.asarray(state.device_types, float)
    own, other = np.nonzero(~np.eye(size, dtype=bool))

    def slacks(items):
        table = paper.device_utilities(types, items[:size], items[size:])
        return np.concatenate([np.diagonal(table), table[own, own] - table[own, other]])

    scale = max(1.0, abs(float(system.unit_profit)))

    def loss(items):
        return -earned(system, state, items[:size], items[size:], taste_scale, rivals) / scale

    low = 0.05 if float(system.slot_duration) > 0.01 else 0.005
    top = float(np.max(paper.profit(system, state, np.full(size, 0.4), np.zeros(size))))
    best = -np.inf
    for start in range(starts):
        frequency = np.sort(rng.uniform(0.1, 0.6, size))
        # Near the whole surplus too: against strong rivals all else is flat.
        rent = top * (rng.uniform(0.0, 1.0) ** 2 if start % 2 else rng.uniform(0.9, 1.0))
        payment = rent + np.cumsum(np.diff(frequency, prepend=0.0) / types)
        result = minimize(
            loss,
            np.concatenate([frequency, payment]),
            method="SLSQP",
            bounds=[(low, 1.0)] * size + [(0.0, None)] * size,
            constraints=[{"type": "ineq", "fun": slacks}],
            options={"maxiter": 300, "ftol": 1e-14},
        )
        if slacks(result.x).min() > -1e-9:
            best = max(best, -result.fun * scale)
    return best
