"""Several stations that post a contract each to the same devices: payoffs, exploitability, equilibrium.

Records of N stations have a leading axis N. The devices are the same for all: so are `type_probs` and
`device_types`. What differs is each station's max_aoi, its max_latency and, in a stacked system, its
constants.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import Allowed, ByValue, concrete, plain
from jaxcontract.core.pytree import register
from jaxcontract.mechanism import best_response as chain
from jaxcontract.mechanism import response_search
from jaxcontract.mechanism.freshness import log_quality
from jaxcontract.mechanism.incentives import own_utilities
from jaxcontract.mechanism.optimum import best_frequency
from jaxcontract.mechanism.participation import (
    best_response,
    build_contract,
    check_taste_scale,
    participation,
    participation_utility,
)
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, check_kind, floats
from jaxcontract.mechanism.rounds import USE_VMAP, check_rank
from jaxcontract.mechanism.system import number_names

MOST_SWEEPS = 200
STARTS = Allowed("whole", "starting points", static=True, low=1)
# Moves between sweeps that are none, by bytes of a number, in units of the taste scale: what is left of the
# barrier moves a best response as much. What a station gains by them is of second order.
UNMOVED = {4: 1e-3, 8: 1e-6}
GOLDEN = 0.5 * (5.0**0.5 - 1.0)  # its multiples modulo one are spread evenly: where stations start from
STATE_RANKS = {"device_types": 2, "type_probs": 2, "max_aoi": 1, "max_latency": 1}
CONTRACT_RANKS = {"frequency": 2, "payment": 2}


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Equilibria(ByValue):
    """What sequential best responses led to from R starting points.

    contracts:      [R, N, K]  the contracts they ended with
    utilities:      [R, N]     what the stations earn there
    exploitability: [R, N]     upper bounds on what each could gain by another contract
    disagreement:   []         the largest difference of a type's utility between two ends, units of payment
    """

    contracts: Contract
    utilities: jax.Array
    exploitability: jax.Array
    disagreement: jax.Array


def competition_utilities(
    system: System, states: NetworkState, contracts: Contract, taste_scale: Numbers
) -> jax.Array:
    """U_i = M Σ_k Q_k P_ik (β_i QoD_i(f_ik) − r_ik) with P_ik = e^{u_ik/μ}/(1 + Σ_j e^{u_jk/μ}). Returns [N].

    system:      one for all stations, or stacked, its numbers [N]
    states:      [N, ...]  of N stations, with the same `type_probs` and `device_types`
    contracts:   [N, K]    of which type k takes item k of a station
    taste_scale: []        μ, as in `participation`, units of payment

    Raises:
        ValueError: when these are not of N stations, the devices are not the same for all, or μ is not
            positive.
    """
    taste_scale = check_stations("competition_utilities", system, states, taste_scale, contracts)
    rivals = _rivals(offered_utilities(system, states, contracts))
    each = jax.vmap(participation_utility, (_axis(system), 0, 0, None, 0))
    return each(system, states, contracts, taste_scale, rivals)


def exploitability(
    system: System, states: NetworkState, contracts: Contract, taste_scale: Numbers
) -> jax.Array:
    """What each station could gain by another contract while the others keep theirs, at most. Returns [N].

    system:      one for all stations, or stacked, its numbers [N]
    states:      [N, ...]  of N stations, with the same `type_probs` and `device_types`
    contracts:   [N, K]    as in `competition_utilities`
    taste_scale: []        μ, as in `participation`, units of payment

    The certified upper bound of `best_response` less U_i: a weak search cannot flatter. Zero for all stations
    at an equilibrium, up to the gap of the bound. Per station, as in game theory; NashConv is the sum.

    Raises:
        ValueError: when these are not of N stations, the devices are not the same for all, or μ is not
            positive.
    """
    taste_scale = check_stations("exploitability", system, states, taste_scale, contracts)
    rivals = _rivals(offered_utilities(system, states, contracts))
    each = jax.vmap(best_response, (_axis(system), 0, None, 0))
    best = each(system, states, taste_scale, rivals).upper_bound
    return best - competition_utilities(system, states, contracts, taste_scale)


def equilibrium_contracts(system: System, states: NetworkState, taste_scale: Numbers) -> Contract:
    """Contracts from which no station gains by deviating: best responses in turn, until none moves.

    system:      one for all stations, or stacked, its numbers [N]
    states:      [N, ...]  of N stations, with the same `type_probs` and `device_types`
    taste_scale: []        μ, as in `participation`, units of payment

    Returns contracts [N, K]. Every station starts near what equal stations would offer. Whether the
    equilibrium is the only one is not known: `compare_equilibria` starts from several points. That it is one
    is what `exploitability` says: where μ is below about 1e-5 of what there is to share, the turns of unlike
    stations go round in a circle, and end after 200 with contracts that are none. Without derivatives.

    Raises:
        ValueError: when these are not of N stations, the devices are not the same for all, or μ is not
            positive.
    """
    taste_scale = check_stations("equilibrium_contracts", system, states, taste_scale)
    return find_equilibria(system, states, taste_scale)


def find_equilibria(system: System, states: NetworkState, taste_scale: jax.Array) -> Contract:
    """`equilibrium_contracts` unchecked, also of rounds side by side, [N, K, B] where one has [N, K]."""
    system, states, taste_scale = jax.lax.stop_gradient((system, states, taste_scale))
    return _take_turns(system, states, taste_scale, _offer_as_equals(system, states, taste_scale))


def joint_profit_contracts(system: System, states: NetworkState, taste_scale: Numbers) -> Contract:
    """What one owner of all stations would offer: contracts of the greatest Σ_i U_i. Returns [N, K].

    system:      one for all stations, or stacked, its numbers [N]
    states:      [N, ...]  of N stations, with the same `type_probs` and `device_types`
    taste_scale: []        μ, as in `participation`, units of payment

    Stations in turn, each of which counts what a device that comes to it would have earned the owner
    elsewhere: the sum rises in each turn. A local optimum, without a bound. Without derivatives.

    Raises:
        ValueError: when these are not of N stations, the devices are not the same for all, or μ is not
            positive.
    """
    taste_scale = check_stations("joint_profit_contracts", system, states, taste_scale)
    system, states, taste_scale = jax.lax.stop_gradient((system, states, taste_scale))
    return _take_turns(system, states, taste_scale, jnp.zeros_like(states.device_types), joint=True)


def device_welfare(
    states: NetworkState, contracts: Contract, taste_scale: Numbers, system: System | None = None
) -> jax.Array:
    """M μ Σ_k Q_k ln(1 + Σ_i e^{u_ik/μ}): what all devices together gain from the stations being there.

    states:      [N, ...]  of N stations, with the same `type_probs` and `device_types`
    contracts:   [N, K]    as in `competition_utilities`
    taste_scale: []        μ, as in `participation`, units of payment
    system:      whose M counts, and whose `effort`; one for all or stacked; the paper's constants by default

    Returns []. The expected utility of the best choice, taste included, above that of staying out alone.

    Raises:
        ValueError: when these are not of N stations, the devices are not the same for all, or μ is not
            positive.
    """
    system = System() if system is None else system
    taste_scale = check_stations("device_welfare", system, states, taste_scale, contracts)
    offers = offered_utilities(system, states, contracts) / taste_scale
    values = jax.nn.logsumexp(jnp.concatenate([jnp.zeros_like(offers[:1]), offers]), axis=0)
    devices = jnp.max(jnp.asarray(system.num_devices))
    return devices * taste_scale * jnp.sum(states.type_probs[0] * values)


def compare_equilibria(
    system: System, states: NetworkState, taste_scale: Numbers, num_starts: int = 5
) -> Equilibria:
    """Sequential best responses from several starting points, and how far apart they end.

    system:      one for all stations, or stacked, its numbers [N]
    states:      [N, ...]  of N stations, with the same `type_probs` and `device_types`
    taste_scale: []        μ, as in `participation`, units of payment
    num_starts:  R; from the second on, every station starts by offering another share of its surplus

    Returns contracts [R, N, K] and what they bring. Without derivatives.

    Raises:
        ValueError: when these are not of N stations, the devices are not the same for all, μ is not positive,
            or there are no starts.
    """
    taste_scale = check_stations("compare_equilibria", system, states, taste_scale)
    num_starts = plain("compare_equilibria", "num_starts", num_starts, STARTS)
    system, states, taste_scale = jax.lax.stop_gradient((system, states, taste_scale))
    size = len(states.max_aoi)
    shares = np.outer(np.arange(num_starts), np.arange(1, size + 1)) * GOLDEN % 1.0
    start = jnp.asarray(shares, states.device_types.dtype)[:, :, None] * _surplus(system, states)[None]
    contracts = jax.lax.map(lambda one: _take_turns(system, states, taste_scale, one), start)

    def judge(one: Contract) -> tuple[jax.Array, jax.Array, jax.Array]:
        earned = competition_utilities(system, states, one, taste_scale)
        return (
            offered_utilities(system, states, one),
            earned,
            exploitability(system, states, one, taste_scale),
        )

    offers, earned, gains = jax.lax.map(judge, contracts)
    apart = jnp.max(jnp.max(offers, axis=0) - jnp.min(offers, axis=0))
    return Equilibria(contracts=contracts, utilities=earned, exploitability=gains, disagreement=apart)


def offered_utilities(system: System, states: NetworkState, contracts: Contract) -> jax.Array:
    """u_ik = r_ik − c_k e(f_ik), what each type earns at each station. Returns [N, K]."""
    each = jax.vmap(lambda system, state, menu: own_utilities(state, menu, system), (_axis(system), 0, 0))
    return each(system, states, contracts)


def station_shares(utilities: Numbers, taste_scale: Numbers) -> jax.Array:
    """P_ik = e^{u_ik/μ}/(1 + Σ_j e^{u_jk/μ}), which share of each type goes to which station.

    utilities: [N, K]; taste_scale: [], both in units of payment. Returns [N, K].
    """
    utilities = floats(utilities, "station_shares", "utilities")
    return jax.vmap(participation, (0, None, 0))(utilities, taste_scale, _rivals(utilities))


def _take_turns(
    system: System,
    states: NetworkState,
    taste_scale: jax.Array,
    start: jax.Array,
    *,
    joint: bool = False,
) -> Contract:
    """Best responses in turn from utilities `start` [N, K] on, until none moves. Returns contracts [N, K].

    joint: each counts what the others lose
    """
    system, states = jax.tree.map(jnp.asarray, (system, states))  # a loop picks stations by a traced number
    size, axis = len(states.max_aoi), _axis(system)
    tolerance = UNMOVED[start.dtype.itemsize]

    def respond(carry, index):
        offers, margins = carry
        own = system if axis is None else jax.tree.map(lambda leaf: leaf[index], system)
        state = jax.tree.map(lambda leaf: leaf[index], states)
        others = jnp.reshape(jnp.arange(size) != index, (size,) + (1,) * (start.ndim - 1))
        logs = jnp.where(others, offers / taste_scale, -jnp.inf)
        logs = jnp.concatenate([jnp.zeros_like(logs[:1]), logs])
        elsewhere = jax.nn.logsumexp(logs, axis=0)
        shares = jnp.where(others, jnp.exp(logs[1:] - elsewhere[None]), 0.0)
        forgone = jnp.sum(shares * margins, axis=0) if joint else None
        problem = chain.pose(own, state, taste_scale, elsewhere, forgone)
        point, _, _ = response_search.solve(own, state, problem)
        contract = build_contract(own, state, taste_scale, point)
        utility = taste_scale * chain.utilities(problem, point)
        profit = own.unit_profit * log_quality(own, state, contract.frequency) - contract.payment
        carry = offers.at[index].set(utility), margins.at[index].set(profit)
        return carry, contract

    def sweep(carry):
        (offers, margins), _, _, count = carry
        after, contracts = jax.lax.scan(respond, (offers, margins), jnp.arange(size))
        moved = jnp.max(jnp.abs(after[0] - offers))
        return after, contracts, moved, count + 1

    def moving(carry):
        _, _, moved, count = carry
        return (moved > tolerance * taste_scale) & (count < MOST_SWEEPS)

    nothing = jnp.zeros_like(start)
    begin = (start, nothing), Contract(frequency=nothing, payment=nothing), jnp.inf + jnp.sum(nothing), 0
    _, contracts, _, _ = jax.lax.while_loop(moving, sweep, begin)
    return contracts


def _offer_as_equals(system: System, states: NetworkState, taste_scale: jax.Array) -> jax.Array:
    """u = S − μ N/(N − 1), at least 0: what N equal stations leave a type that all of them serve. [N, K]."""
    size = len(states.max_aoi)
    if size == 1:
        return jnp.zeros_like(states.device_types)
    return jnp.maximum(_surplus(system, states) - taste_scale * size / (size - 1), 0.0)


def _surplus(system: System, states: NetworkState) -> jax.Array:
    """max_f S_ik(f), at least 0: what is there to be shared with each type. Returns [N, K]."""

    def one(system, state):
        problem = chain.pose(system, state, jnp.ones_like(state.max_aoi), jnp.zeros_like(state.device_types))
        frequency = best_frequency(system, state, 1.0 / state.device_types)
        return jnp.maximum(problem.surplus(frequency), 0.0)

    return jax.vmap(one, (_axis(system), 0))(system, states)


def _rivals(utilities: jax.Array) -> jax.Array:
    """What each type earns at every other station: [N, K] → [N, N − 1, K]."""
    size = len(utilities)
    others = np.array([[j for j in range(size) if j != i] for i in range(size)], int).reshape(size, size - 1)
    return utilities[others]


def _axis(system: System) -> int | None:
    """Of stations, for `jax.vmap`: none where one system holds for all."""
    return 0 if any(np.ndim(getattr(system, name)) for name in number_names(type(system))) else None


def check_stations(
    function: str,
    system: System,
    states: NetworkState,
    taste_scale: Numbers,
    contracts: Contract | None = None,
) -> jax.Array:
    """Refuse what is not one round of N stations. Returns the taste scale, an array []."""
    check_kind("system", system, System)
    check_kind("states", states, NetworkState)
    _check_ranks(states, STATE_RANKS)
    shape = jnp.shape(states.device_types)
    if not shape[0]:
        raise ValueError(f"{function}.states: of no station, must be of one at least")
    for name in ("type_probs", "max_aoi", "max_latency"):
        _check_shape(states, name, shape[: STATE_RANKS[name]])
    for name in ("type_probs", "device_types"):
        value = concrete(getattr(states, name))
        if value is not None and (value != value[:1]).any():
            raise ValueError(
                f"NetworkState.{name}: must be the same for all stations, which share the devices"
            )
    for name in number_names(type(system)):
        if np.shape(getattr(system, name)) not in ((), shape[:1]):
            raise ValueError(
                f"system of shape {np.shape(getattr(system, name))}: must be one {type(system).__name__}, or "
                f"one for each of {shape[0]} stations; {USE_VMAP}"
            )
    if contracts is not None:
        check_kind("contracts", contracts, Contract)
        _check_ranks(contracts, CONTRACT_RANKS)
        for name in CONTRACT_RANKS:
            _check_shape(contracts, name, shape)
    check_rank(f"{function}.taste_scale", taste_scale, 0)
    return check_taste_scale(function, taste_scale)


def _check_ranks(record: Any, ranks: dict[str, int]) -> None:
    for name, rank in ranks.items():
        check_rank(f"{type(record).__name__}.{name}", getattr(record, name), rank)


def _check_shape(record: Any, name: str, expected: tuple[int, ...]) -> None:
    shape = jnp.shape(getattr(record, name))
    if shape != expected:
        raise ValueError(f"{type(record).__name__}.{name} of shape {shape}: must be {expected}")
