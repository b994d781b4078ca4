"""How far policies of competing stations are from an equilibrium: their exploitability, state by state."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import ByValue
from jaxcontract.envs.competition import CompetitionEnv, CompetitionParams
from jaxcontract.evaluation.acting import act_on_batch
from jaxcontract.evaluation.blocks import in_blocks, in_default_precision, in_float64
from jaxcontract.evaluation.fees import add_fees
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.competition import (
    competition_utilities,
    device_welfare,
    exploitability,
    find_equilibria,
    offered_utilities,
    station_shares,
)
from jaxcontract.mechanism.incentives import certify
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.records import Contract, NetworkState
from jaxcontract.mechanism.rounds import put_rounds_last
from jaxcontract.mechanism.validation import TOLERANCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompetitionSolution:
    """Networks of some rounds with an equilibrium of each, in float64.

    states: [S, N, ...]; contracts: [S, N, K]; payoffs: [S, N]  U_i at the equilibrium
    """

    states: NetworkState
    contracts: Contract
    payoffs: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompetitionReport(ByValue):
    """How good the contracts of competing stations are, over S states.

    num_states:     S
    optimum:        mean payoff of a station at the equilibrium
    reward:         mean utility of a station, `utility` by the name that all games have
    utility:        the same
    exploitability: Σ exploitability / Σ equilibrium payoff over the states, of the worst station: what it
        could earn at most by any other contract while the others stay, less what it earns
    regret:         mean exploitability of a station, in units of payment
    worst_regret:   the largest of a state and station
    participation:  share of the devices that take part
    participation_by_type: [K]
    joint_utility:  mean of Σ_i U_i; equilibrium_joint_utility: the same at the equilibrium
    device_utility: mean of what a device expects, μ Σ Q_k ln(1 + Σ_i e^{u_ik/μ})
    feasible:       share of contracts that meet IR and IC up to 1e-6 of the largest payment
    max_violation:  the largest amount by which one is missed
    screening_gap:  NaN: of no meaning here
    """

    measures: ClassVar[Mapping[str, tuple[str, str]]] = {
        "feasible": ("feasible", "{:.5f}"),
        "utility": ("utility", "{:.4f}"),
        "exploitability": ("exploitability", "{:.3%}"),
        "regret": ("in payment", "{:.5f}"),
        "worst_regret": ("worst", "{:.4f}"),
        "participation": ("participation", "{:.2%}"),
        "joint_utility": ("joint profit", "{:.3f}"),
        "device_utility": ("device utility", "{:.4f}"),
    }
    optimum_title: ClassVar[str] = "mean equilibrium payoff of a station"

    num_states: int
    optimum: float
    reward: float
    utility: float
    exploitability: float
    regret: float
    worst_regret: float
    participation: float
    participation_by_type: np.ndarray
    joint_utility: float
    equilibrium_joint_utility: float
    device_utility: float
    feasible: float
    max_violation: float
    screening_gap: float = float("nan")


@dataclasses.dataclass(frozen=True)
class CompetitionReference:
    """Measures policies of competing stations against a best response to their own offers. A `Reference`."""

    env: CompetitionEnv
    params: CompetitionParams

    def test_states(self, count: int, seed: int) -> CompetitionSolution:
        """Unseen networks, with an equilibrium of each."""
        size, stations = count * self.env.num_stations, self.env.num_stations
        drawn = in_float64(unseen_states(self.params.distribution, size, seed=seed))
        states = jax.tree.map(lambda leaf: leaf.reshape(count, stations, *leaf.shape[1:]), drawn)
        states = _share_types(states)
        with jax.enable_x64(True):
            contracts, payoffs = in_blocks(solve_rounds, states, in_float64(self.params), block_size=SOLVED)
        return CompetitionSolution(states=states, contracts=contracts, payoffs=payoffs)

    def evaluate(self, policy: Any, states: CompetitionSolution) -> CompetitionReport:
        """Its contracts, one policy for all stations, against the best responses to them."""
        return self.judge(self.offer(policy, states.states), states)

    def offer(self, policy: Any, states: NetworkState) -> Contract:
        """The contracts [S, N, K] of a policy in networks [S, N, ...], in the precision of its training."""
        given = in_default_precision(states)
        offered: Contract = in_blocks(partial(_offer, self.env), given, policy, self.params)
        return offered

    def baselines(self, states: CompetitionSolution) -> dict[str, CompetitionReport]:
        """The contract of (10), which takes devices for granted; the same with fees; and the equilibrium."""
        found = {}
        with jax.enable_x64(True):
            params = in_float64(self.params)
            found["contract of (10)"] = in_blocks(_offer_optimum, states.states, params)
            for name, per_network in (("(10), one fee", False), ("(10), fitted fees", True)):
                fees = _add_fees(params.system, states.states, params.taste_scale, per_network=per_network)
                found[name] = jax.device_get(fees)
        found["equilibrium"] = states.contracts
        return {name: self.judge(contracts, states) for name, contracts in found.items()}

    def judge(self, contracts: Contract, states: CompetitionSolution) -> CompetitionReport:
        """Measure contracts [S, N, K], in float64."""
        pairs = states.states, in_float64(contracts)
        with jax.enable_x64(True):
            found = in_blocks(_measure, pairs, in_float64(self.params), block_size=BOUNDED)
        missed, total = found["exploitability"], states.payoffs.sum(axis=0)
        taking = found["participation"]  # [S, K], of any station
        probs = states.states.type_probs[:, 0]
        return CompetitionReport(
            num_states=len(missed),
            optimum=float(states.payoffs.mean()),
            reward=float(found["utility"].mean()),
            utility=float(found["utility"].mean()),
            exploitability=float(np.max(missed.sum(axis=0) / total)),
            regret=float(missed.mean()),
            worst_regret=float(missed.max()),
            participation=float(np.mean(np.sum(probs * taking, axis=1))),
            participation_by_type=taking.mean(axis=0),
            joint_utility=float(found["utility"].sum(axis=1).mean()),
            equilibrium_joint_utility=float(states.payoffs.sum(axis=1).mean()),
            device_utility=float(found["device_utility"].mean()),
            feasible=float(found["feasible"].mean()),
            max_violation=float(found["max_violation"].max()),
        )

    def remarks(self, report: CompetitionReport) -> list[str]:
        """What a person should know of the result: whether stations earn together what rivals should not."""
        more = report.joint_utility / report.equilibrium_joint_utility - 1.0
        if self.env.num_stations > 1 and more > COLLUSION:
            return [
                f"the stations earn {more:.1%} more together than at the equilibrium: they "
                f"are not near it yet (a station could gain {report.exploitability:.1%}), or hold back, as "
                "colluders do"
            ]
        return []


# Rounds side by side: a bound takes a table of cells for each.
SOLVED, BOUNDED = 256, 32
COLLUSION = 0.02  # of the equilibrium's joint profit, above which it is said


def _share_types(states: NetworkState) -> NetworkState:
    """States [S, N, ...] whose stations have the types of the first one."""
    leaves = {field.name: getattr(states, field.name) for field in dataclasses.fields(states)}
    for name in ("type_probs", "device_types"):
        leaves[name] = np.broadcast_to(leaves[name][:, :1], leaves[name].shape)
    shared: NetworkState = jax.tree.unflatten(jax.tree.structure(states), list(leaves.values()))
    return shared


@jax.jit
def solve_rounds(states: NetworkState, params: CompetitionParams) -> tuple[Contract, jax.Array]:
    """Equilibria [S, N, K] of networks [S, N, ...] and what each station earns there, [S, N]."""
    system, taste = params.system, params.taste_scale
    found = find_equilibria(system, jax.vmap(put_rounds_last, 1)(states), taste)
    contracts = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), found)
    each = jax.vmap(partial(competition_utilities, system), (0, 0, None))
    return contracts, each(states, contracts, taste)


@partial(jax.jit, static_argnums=0)
def _offer(env: CompetitionEnv, states: NetworkState, policy: Any, params: CompetitionParams) -> Contract:
    observations = jax.vmap(env.observe, in_axes=(0, None))(states, params)
    actions = act_on_batch(policy, observations)
    contracts: Contract = jax.vmap(env.contracts, in_axes=(0, 0, None))(states, actions, params)
    return contracts


_add_fees = jax.jit(add_fees, static_argnames="per_network")


@jax.jit
def _offer_optimum(states: NetworkState, params: CompetitionParams) -> Contract:
    return jax.vmap(jax.vmap(partial(optimal_contract, params.system)))(states)


@jax.jit
def _measure(pairs: Any, params: CompetitionParams) -> dict[str, jax.Array]:
    system, taste = params.system, params.taste_scale

    def one(states, contracts):
        certificates = jax.vmap(partial(certify, system))(states, contracts)
        allowed = TOLERANCE * jnp.maximum(1.0, jnp.max(contracts.payment, axis=1))
        offers = offered_utilities(system, states, contracts)
        return {
            "utility": competition_utilities(system, states, contracts, taste),
            "exploitability": exploitability(system, states, contracts, taste),
            "participation": jnp.sum(station_shares(offers, taste), axis=0),
            "device_utility": device_welfare(states, contracts, taste, system) / system.num_devices,
            "feasible": certificates.max_violation <= allowed,
            "max_violation": certificates.max_violation,
        }

    return jax.vmap(one)(*pairs)
