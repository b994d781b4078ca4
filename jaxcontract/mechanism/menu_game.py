"""The capacity game with several types: payoffs of discretised menus, a mixed equilibrium by double oracle.

On the host, in NumPy. The game is not of constant sum, so that no linear program solves it; each restricted
game is a symmetric one of general sum, which complementary pivoting solves. Payoffs are
shifted and scaled before each, and what counts is the gap, measured on the payoffs themselves.
"""

import dataclasses
import itertools

import numpy as np

from jaxcontract.core.fields import ByValue
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import quality_of_data
from jaxcontract.mechanism.optimum import complete_information_contract
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import check_round

MOST_PIVOTS = 20_000  # of 60 menus some paths take 4,000
BELIEFS = 10  # to start from until a restricted game is solved
ROUNDING = 1e-6  # of a payment: in single precision a rent of 0 may come out below 0
ENOUGH = 1e-11  # gap of a restricted game that is solved


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MenuEquilibrium(ByValue):
    """A mixed policy over menus that both stations play.

    weights: [A]  the chance of each menu
    payoff:  []   what each station earns
    gap:     []   what the best of all menus would earn more, on the payoffs as they are
    steps:   how many menus the double oracle looked at
    """

    weights: np.ndarray
    payoff: float
    gap: float
    steps: int


def list_menus(system: System, state: NetworkState, rents: int, slopes: int) -> Contract:
    """Menus with f = f° of every type, and payments on a grid within IR and IC. Returns contracts [A, K].

    rents:  what type 1 earns, evenly from 0 to its surplus
    slopes: (u_{k+1} − u_k)/(c_k − c_{k+1}), evenly between the efforts of neighbours

    A = rents · slopes^(K − 1).
    """
    check_round(system=system, state=state)
    frequency = np.asarray(complete_information_contract(system, state).frequency, float)
    taken, cost = np.asarray(effort(system, frequency), float), 1.0 / np.asarray(state.device_types, float)
    worth = float(system.unit_profit) * np.asarray(quality_of_data(system, state, frequency), float)
    first = np.linspace(0.0, float(worth[0] - cost[0] * taken[0]), rents)
    between = [np.linspace(low, high, slopes) for low, high in itertools.pairwise(taken)]
    grid = np.stack([part.ravel() for part in np.meshgrid(first, *between, indexing="ij")], axis=1)
    steps = np.concatenate([grid[:, :1], grid[:, 1:] * (cost[:-1] - cost[1:])], axis=1)
    payment = np.cumsum(steps, axis=1) + cost * taken
    return Contract(frequency=np.broadcast_to(frequency, payment.shape), payment=payment)


def menu_payoffs(system: System, state: NetworkState, menus: Contract, capacity: float) -> np.ndarray:
    """What a station that posts menu i earns against one that posts menu j. Returns [A, A].

    menus: [A, K], each of which type k takes item k; capacity: L/M, strictly between 1/2 and 1

    Every type applies where it earns more, evenly to both on a tie, nowhere below zero. A station with
    more than L applicants serves them in random order; those left over go to the other one, which has room,
    if they earn zero or more there. Many devices: shares are what they are on average.
    """
    cost = 1.0 / np.asarray(state.device_types, float)
    taken = np.asarray(effort(system, menus.frequency), float)
    payment = np.asarray(menus.payment, float)
    quality = np.asarray(quality_of_data(system, state, menus.frequency), float)
    utility, profit = payment - cost * taken, float(system.unit_profit) * quality - payment
    probs = np.asarray(state.type_probs, float)
    comes = utility >= -ROUNDING * payment
    own, other = utility[:, None, :], utility[None, :, :]
    share = probs * comes[:, None, :] * np.where(own > other, 1.0, np.where(own == other, 0.5, 0.0))
    applicants = share.sum(axis=2)
    served = np.minimum(1.0, capacity / np.maximum(applicants, capacity))
    first = share * served[:, :, None]
    left_over = np.swapaxes(share - first, 0, 1) * comes[:, None, :]
    earned: np.ndarray = float(system.num_devices) * ((first + left_over) * profit[:, None, :]).sum(axis=2)
    return earned


def solve_menu_game(payoffs: np.ndarray, tolerance: float = 1e-9, most: int = 400) -> MenuEquilibrium:
    """A symmetric mixed equilibrium of a symmetric game, by a double oracle.

    payoffs:   [A, A]  of the row against the column, any units
    tolerance: of the gap, as a share of the spread of the payoffs
    most:      menus to look at

    Starts from the menu that does best against itself. While some menu earns more than the mixed policy does,
    the best of these joins the restricted game.
    """
    payoffs = np.asarray(payoffs, float)
    spread = float(np.ptp(payoffs)) or 1.0
    scaled = (payoffs - payoffs.min()) / spread
    looked_at = [int(np.argmax(np.diagonal(payoffs)))]
    best = _judge(payoffs, looked_at, np.ones(1))
    while best.gap > tolerance * spread and len(looked_at) < most:
        better = int(np.argmax(payoffs @ best.weights))
        if better in looked_at:  # the restricted game was not solved
            break
        looked_at.append(better)
        best = _judge(payoffs, looked_at, _solve_symmetric(scaled[np.ix_(looked_at, looked_at)]))
    return best


def _judge(payoffs: np.ndarray, looked_at: list[int], shares: np.ndarray) -> MenuEquilibrium:
    """What a mixed policy over some of the menus earns, and its gap on the payoffs as they are."""
    weights = np.zeros(len(payoffs))
    weights[looked_at] = shares
    against = payoffs @ weights
    earned = float(weights @ against)
    return MenuEquilibrium(
        weights=weights, payoff=earned, gap=float(against.max()) - earned, steps=len(looked_at)
    )


def _solve_symmetric(payoffs: np.ndarray) -> np.ndarray:
    """A symmetric equilibrium [A] of a symmetric game with payoffs in [0, 1], from a few random beliefs."""
    generator, best, least = np.random.default_rng(0), np.full(len(payoffs), 1.0 / len(payoffs)), np.inf
    for _ in range(BELIEFS):
        weights = _follow(payoffs, generator.dirichlet(np.ones(len(payoffs))))
        if weights is None:
            continue
        against = payoffs @ weights
        gap = float(against.max() - weights @ against)
        if gap < least:
            best, least = weights, gap
        if gap <= ENOUGH:
            break
    return best


def _follow(payoffs: np.ndarray, belief: np.ndarray) -> np.ndarray | None:
    """An equilibrium by complementary pivoting (van den Elzen and Talman): from a belief to what is played.

    payoffs: [A, A], of B; belief: [A], of p

    Solves w = v − B z − t B p ≥ 0, z ≥ 0, Σ z + t = 1 with one of z_i and w_i zero for each i. At t = 1 the
    best answer to the belief solves it, at t = 0 an equilibrium. Every step solves its linear equations
    afresh, so that errors do not add up. Returns [A]; None if the path does not end.
    """
    size = len(payoffs)
    helper, value = 2 * size, 2 * size + 1  # variables: w, z, t, v
    against = payoffs @ belief
    columns = np.zeros((size + 1, 2 * size + 2))
    columns[:size] = np.hstack([np.eye(size), payoffs, against[:, None], -np.ones((size, 1))])
    columns[size, size : helper + 1] = 1.0
    right = np.append(np.zeros(size), 1.0)
    first = int(np.argmax(against))
    basis = np.append(np.delete(np.arange(size), first), [helper, value])
    enters = size + first
    for _ in range(MOST_PIVOTS):
        both = np.stack([right, columns[:, enters]], axis=1)
        values, column = np.linalg.solve(columns[:, basis], both).T
        falls = (column > 1e-11) & (basis != value)
        ratios = np.where(falls, values / np.where(falls, column, 1.0), np.inf)
        row = int(np.argmin(ratios))
        if not np.isfinite(ratios[row]):
            return None
        leaves, basis[row] = int(basis[row]), enters
        if leaves == helper:
            values = np.linalg.solve(columns[:, basis], right)
            weights = np.zeros(2 * size + 2)
            weights[basis] = values
            played = np.maximum(weights[size:helper], 0.0)
            return played / played.sum()
        enters = (leaves + size) % (2 * size)
    return None
