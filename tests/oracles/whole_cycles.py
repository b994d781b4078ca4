"""The best menu of whole update cycles: all menus priced by linear programs, and a dynamic programme."""

import itertools

import numpy as np

from oracles import paper
from oracles.payments import cheapest_payments

UNDEFINED = -1e9  # profit of a cycle whose data has no quality


def best_of_all_menus(system, state, longest):
    """The greatest U_B (7) of all menus of whole cycles, in whatever order."""
    best = -np.inf
    cycles = range(1, longest + 1)
    quality = dict(zip(cycles, paper.quality_of_data(system, state, 1 / np.array(cycles)), strict=True))
    for menu in itertools.product(cycles, repeat=len(state.type_probs)):
        gained = sum(
            float(share) * quality[cycle] for share, cycle in zip(state.type_probs, menu, strict=True)
        )
        paid = cheapest_payments(1 / np.array(menu), state)
        best = max(best, float(system.num_devices) * (float(system.unit_profit) * gained - paid))
    return best


def best_by_programme(system, state, longest):
    """The greatest U_B over non-increasing cycles, type by type, with the binding payments of each step."""
    frequency, cost = 1 / np.arange(1.0, longest + 1), 1 / np.asarray(state.device_types)
    profit = paper.profit(system, state, frequency, 0.0)
    profit = np.where(np.isfinite(profit), profit, UNDEFINED)  # not even for a type that never occurs
    reached = np.cumsum(np.asarray(state.type_probs)[::-1])[::-1]
    value = np.full(longest, -np.inf)
    for k, share in enumerate(np.asarray(state.type_probs)):
        # From type k − 1 at one cycle (rows) to type k at one that is no longer (columns).
        step = frequency[None, :] - (frequency[:, None] if k else 0.0)
        paths = (value[:, None] if k else np.zeros((1, 1))) - reached[k] * cost[k] * step
        allowed = step >= 0 if k else np.ones_like(step, bool)
        value = (
            np.where(allowed, paths, -np.inf).max(axis=0) + np.where(profit > UNDEFINED, share, 1.0) * profit
        )
    return float(system.num_devices) * value.max()
