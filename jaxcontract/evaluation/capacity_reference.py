"""How far policies of two stations of limited capacity are from their mixed equilibrium, state by state."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.envs.capacity import CapacityEnv, CapacityParams
from jaxcontract.envs.capacity_rules import Prices, find_prices
from jaxcontract.evaluation.acting import act_in_states
from jaxcontract.evaluation.blocks import in_blocks, in_float64
from jaxcontract.evaluation.capacity_report import CapacityReport
from jaxcontract.evaluation.payment_laws import (
    MISSING,
    atoms_distance,
    best_squashed_gaussian,
    equilibrium_law,
    law_distance,
    law_payoffs,
    learned_law,
)
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.mechanism.capacity import capacity_payoff, mixed_policy_payoffs
from jaxcontract.mechanism.records import NetworkState

SIDE_BY_SIDE = 64  # laws looked at together
ATOMS = 1 << 22  # payments judged together


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacitySolution:
    """Networks with what both stations bargain over, in float64.

    states: [S, ...]; cost, surplus: [S]  c_0 and S; payoffs: [S]  (M − L) S
    """

    states: NetworkState
    cost: np.ndarray
    surplus: np.ndarray
    payoffs: np.ndarray


@dataclasses.dataclass(frozen=True)
class CapacityReference:
    """Measures policies of the capacity game against the best deviation from them. A `Reference`.

    A policy is what it draws: its head's density at each state, exact to about 1e-5 of the payoff, for any
    head with `log_prob`. A policy without a head offers one payment.
    """

    env: CapacityEnv
    params: CapacityParams

    def test_states(self, count: int, seed: int) -> CapacitySolution:
        """Unseen networks, with what both stations bargain over in each."""
        states = in_float64(unseen_states(self.params.distribution, count, seed=seed))
        with jax.enable_x64(True):
            prices, payoffs = in_blocks(_solve, states, in_float64(self.params))
        cost, surplus = (value[:, 0] for value in (prices.cost, prices.surplus))
        return CapacitySolution(states=states, cost=cost, surplus=surplus, payoffs=payoffs)

    def evaluate(self, policy: Any, states: CapacitySolution) -> CapacityReport:
        """The law of its payments, one policy for both stations, and its mode."""
        rents = act_in_states(self.env, self.params, policy, states.states)[:, 0]
        mode = self.judge(self._payments(rents, states), states)
        if not isinstance(policy, NetworkPolicy):
            return mode
        with jax.enable_x64(True):
            given = in_float64((states.states, policy, self.params))
            found = in_blocks(partial(_measure_law, self.env), *given, block_size=SIDE_BY_SIDE)
        # What was not found of a density could be anywhere.
        known = np.abs(found.pop("mass") - 1.0) <= MISSING
        unknown = {name: np.where(known, value, np.nan) for name, value in found.items()}
        return self._report(states, mode_exploitability=mode.exploitability, **unknown)

    def baselines(self, states: CapacitySolution) -> dict[str, CapacityReport]:
        """The mixed equilibrium, the best law of the Gaussian head, and the best single payment."""
        with jax.enable_x64(True):
            found = jax.device_get(_measure_known(jnp.asarray(float(self.params.capacity))))
        laws = {name: self._report(states, **one) for name, one in found.items()}
        rent = np.full(len(states.payoffs), 2.0 - 1.0 / float(self.params.capacity))
        return {**laws, "best single payment": self.judge(self._payments(rent, states), states)}

    def judge(
        self, payments: np.ndarray, states: CapacitySolution, weights: np.ndarray | None = None
    ) -> CapacityReport:
        """Measure policies given as atoms, in float64: payments [S, A] and weights, by default equal."""
        payments = np.asarray(payments, np.float64)
        count = payments.shape[1]
        weights = np.full(payments.shape, 1.0 / count) if weights is None else np.asarray(weights, np.float64)
        with jax.enable_x64(True):
            batch = states.states, payments, weights
            size = max(1, min(len(payments), ATOMS // count))
            earned, best = in_blocks(_measure_atoms, batch, in_float64(self.params), block_size=size)
        margin = payments - states.cost[:, None]
        unit = self._unit(states)
        rents = margin / np.where(states.surplus > 0, states.surplus, np.nan)[:, None]
        mean = np.sum(weights * rents, axis=1)
        distance = atoms_distance(rents, weights, float(self.params.capacity))
        report = self._report(states, earned=earned / unit, best=best / unit, rent=mean, distance=distance)
        return dataclasses.replace(
            report,
            mode_exploitability=report.exploitability if count == 1 else float("nan"),
            feasible=1.0 - float(np.mean(np.sum(weights * (margin < 0), axis=1))),
            max_violation=float(np.max(np.maximum(0.0, -margin))),
        )

    def densities(self, policy: NetworkPolicy, states: CapacitySolution, edges: np.ndarray) -> np.ndarray:
        """The density of a policy's rents between edges [E], the mean over the states: [E − 1]."""
        with jax.enable_x64(True):
            given = in_float64((states.states, policy, self.params))
            rents, chances, _ = in_blocks(partial(_find_law, self.env), *given, block_size=SIDE_BY_SIDE)
        upto = [np.interp(edges, *law) for law in zip(rents, chances, strict=True)]
        density: np.ndarray = np.diff(np.mean(upto, axis=0)) / np.diff(edges)
        return density

    def remarks(self, report: CapacityReport) -> list[str]:
        """What a person should know of the result.

        Whether the density of a policy was not found; a policy that loses more than one payment would.
        """
        if not np.isfinite(report.exploitability):
            return [
                "the density of a policy's payments does not sum to 1 in some states: its exploitability is "
                "not known"
            ]
        fixed = 1.0 - 0.5 / float(self.params.capacity)
        if report.exploitability <= fixed:
            return []
        return [
            f"a policy can be exploited for {report.exploitability:.1%} of the payoff, where the best single "
            f"payment loses {fixed:.1%}: a larger entropy_coefficient keeps its payments apart"
        ]

    def _payments(self, rents: np.ndarray, states: CapacitySolution) -> np.ndarray:
        """r = c_0 + S x, [S, 1]."""
        return (states.cost + states.surplus * rents)[:, None]

    def _unit(self, states: CapacitySolution) -> np.ndarray:
        """M S, [S]: what all devices are worth; 1 where that is nothing."""
        unit = float(self.params.system.num_devices) * states.surplus
        return np.where(unit > 0, unit, 1.0)

    def _report(
        self, states: CapacitySolution, *, earned: Any, best: Any, rent: Any, distance: Any, **others: Any
    ) -> CapacityReport:
        """A report of what the policy earns at each state, and the best payment, in units of M S."""
        unit = float(self.params.system.num_devices) * states.surplus
        utility = np.mean(earned * unit)
        missed = (best - earned) * unit
        return CapacityReport(
            num_states=len(unit),
            optimum=float(states.payoffs.mean()),
            reward=float(utility),
            utility=float(utility),
            exploitability=float(missed.sum() / states.payoffs.sum()),
            regret=float(missed.mean()),
            worst_regret=float(missed.max()),
            rent=float(np.mean(rent)),
            distance=float(np.mean(distance)),
            **{"mode_exploitability": float("nan"), "feasible": 1.0, "max_violation": 0.0, **others},
        )


@jax.jit
def _solve(states: NetworkState, params: CapacityParams) -> tuple[Prices, jax.Array]:
    def one(state):
        payoff = capacity_payoff(params.system, state, params.capacity)
        return find_prices(params.system, state), jnp.maximum(payoff, 0.0)

    return jax.vmap(one)(states)


@partial(jax.jit, static_argnums=0)
def _find_law(env: CapacityEnv, states: NetworkState, policy: Any, params: CapacityParams) -> Any:
    return jax.vmap(lambda state: learned_law(policy, env.observe(state, params)))(states)


@partial(jax.jit, static_argnums=0)
def _measure_law(
    env: CapacityEnv, states: NetworkState, policy: NetworkPolicy, params: CapacityParams
) -> dict[str, jax.Array]:
    def one(state):
        rents, chances, mass = learned_law(policy, env.observe(state, params))
        return {**_measure_one(rents, chances, params.capacity), "mass": mass}

    return jax.vmap(one)(states)


def _measure_one(rents: jax.Array, chances: jax.Array, capacity: Any) -> dict[str, jax.Array]:
    earned, best = law_payoffs(rents, chances, capacity)
    mean = jnp.sum(jnp.diff(chances) * 0.5 * (rents[1:] + rents[:-1]))
    distance = law_distance(rents, chances, capacity)
    return {"earned": earned, "best": best, "rent": mean, "distance": distance}


@jax.jit
def _measure_known(capacity: jax.Array) -> dict[str, dict[str, jax.Array]]:
    """The laws that need no learning, by name."""
    laws = {"equilibrium": equilibrium_law(capacity), "best Gaussian": best_squashed_gaussian(capacity)}
    return {name: _measure_one(rents, chances, capacity) for name, (rents, chances) in laws.items()}


@jax.jit
def _measure_atoms(batch: Any, params: CapacityParams) -> tuple[jax.Array, jax.Array]:
    def one(state, payments, weights):
        return mixed_policy_payoffs(payments, weights, params.system, state, params.capacity)

    return jax.vmap(one)(*batch)
