"""Problem (10) in fifty digits, by the min-max formula over blocks of types and plain bisection."""

from decimal import Decimal, localcontext
from typing import NamedTuple

HALVINGS = 110
DIGITS = 50


class Game(NamedTuple):
    """One round in Decimals: what the quality of data depends on, and the K types."""

    preference: Decimal
    profit: Decimal
    slot: Decimal
    least: Decimal
    most: Decimal
    max_aoi: Decimal
    max_latency: Decimal
    probs: list
    types: list


def make_game(system, state):
    """The very numbers of a system and a state of floats, none of them rounded."""

    def exact(value):
        return Decimal(float(value))

    return Game(
        exact(system.aoi_preference),
        exact(system.unit_profit),
        exact(system.slot_duration),
        exact(system.min_frequency),
        exact(system.max_frequency),
        exact(state.max_aoi),
        exact(state.max_latency),
        [exact(share) for share in state.type_probs],
        [exact(phi) for phi in state.device_types],
    )


def index(game, f):
    """W(f), term by term as the paper has it."""
    age = game.slot * (f + 1 / (2 * f) + Decimal("0.5"))
    latency = game.slot * (1 + f)
    return game.preference * (game.max_aoi - age) + (1 - game.preference) * (game.max_latency - latency) + 1


def utility(game, frequency, payment, devices=40):
    """U_B (7); minus infinity where a type that occurs has no quality."""
    total = Decimal(0)
    for share, f, r in zip(game.probs, frequency, payment, strict=True):
        if share and index(game, f) <= 0:
            return Decimal("-Infinity")
        total += share * (game.profit * index(game, f).ln() - r) if share else 0
    return devices * total


def violation(game, frequency, payment):
    """The most by which IR or IC is missed, and whether W > 0 for every item."""
    costs = [1 / phi for phi in game.types]
    missed = Decimal(0)
    for cost, own_f, own_r in zip(costs, frequency, payment, strict=True):
        own = own_r - own_f * cost
        missed = max(missed, -own, *(r - f * cost - own for f, r in zip(frequency, payment, strict=True)))
    return missed, all(index(game, f) > 0 for f in frequency)


def solve(game):
    """The optimal (frequencies, payments), or None where W ≤ 0 for every f within the bounds.

    f_k = max over i ≤ k of the min over j ≥ k of F(i, j), where F(i, j) is the best single f for the types
    i … j, whose updates cost the sum of their virtual costs.
    """
    with localcontext() as context:
        context.prec = DIGITS
        low, high = _defined(game)
        if low is None:
            return None
        costs = [1 / phi for phi in game.types]
        size = len(costs)
        reached = [sum(game.probs[k:]) for k in range(size)] + [Decimal(0)]
        totals = [reached[k] * costs[k] - reached[k + 1] * (costs[k + 1 :] or [0])[0] for k in range(size)]
        best = {
            (i, j): _root(game, sum(game.probs[i : j + 1]), sum(totals[i : j + 1]), low, high)
            for i in range(size)
            for j in range(i, size)
        }
        frequency = [max(min(best[i, j] for j in range(k, size)) for i in range(k + 1)) for k in range(size)]
        payment = [frequency[0] * costs[0]]
        for k in range(1, size):
            payment.append(payment[-1] + (frequency[k] - frequency[k - 1]) * costs[k])
        return frequency, payment


def _defined(game):
    """The least f within the bounds with W ≥ 0, and the best f at no cost; None, None where W ≤ 0 for all."""
    peak = max(game.least, min((game.preference / 2).sqrt(), game.most))
    if index(game, peak) <= 0:
        return None, None
    low = game.least
    if index(game, low) < 0:
        above = peak
        for _ in range(HALVINGS):
            middle = (low + above) / 2
            low, above = (low, middle) if index(game, middle) > 0 else (middle, above)
        low = above
    return low, peak


def _root(game, share, total, low, high):
    """argmax over [low, high] of share · β ln W(f) − total · f, which is concave."""
    if not share:
        return low if total else high

    def rises(f):
        slope = game.slot * (game.preference / (2 * f * f) - 1)
        return share * game.profit * slope > total * index(game, f)

    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) else (low, middle)
    return low
