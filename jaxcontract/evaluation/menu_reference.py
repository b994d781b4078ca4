"""How far policies of two stations of limited capacity are from an equilibrium, with two device types."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.envs.capacity import CapacityEnv, CapacityParams
from jaxcontract.envs.capacity_rules import find_prices
from jaxcontract.evaluation.acting import act_in_states
from jaxcontract.evaluation.blocks import in_blocks, in_default_precision, in_float64
from jaxcontract.evaluation.menu_laws import learned_menu_law, menu_law_payoffs
from jaxcontract.evaluation.menu_payoffs import Stakes, best_reply_to_menu, leave, secured_payoff
from jaxcontract.evaluation.menu_report import MenuReport
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.records import NetworkState, System
from jaxcontract.mechanism.rounds import put_rounds_last

SIDE_BY_SIDE = 8  # laws looked at together


@dataclasses.dataclass(frozen=True, kw_only=True)
class MenuSolution:
    """Networks with what both stations bargain over, in float64.

    states: [S, ...]; stakes: [S, 2] each; payoffs: [S]  what a station can secure
    """

    states: NetworkState
    stakes: Stakes
    payoffs: np.ndarray


@dataclasses.dataclass(frozen=True)
class MenuReference:
    """Measures policies of the capacity game of two types against the best deviation. A `Reference`.

    A policy is what it draws, at each state. The best deviation is looked for on a fine grid of menus with
    f = f° within IR and IC (`evaluation/menu_laws.py`): what it gains is an estimate, not a certified bound.
    A policy without a head posts one menu.
    """

    env: CapacityEnv
    params: CapacityParams

    def test_states(self, count: int, seed: int) -> MenuSolution:
        """Unseen networks, with what both stations bargain over in each."""
        states = in_float64(unseen_states(self.params.distribution, count, seed=seed))
        with jax.enable_x64(True):
            stakes, payoffs = in_blocks(_solve, states, in_float64(self.params))
        return MenuSolution(states=states, stakes=stakes, payoffs=payoffs)

    def evaluate(self, policy: Any, states: MenuSolution) -> MenuReport:
        """The law of its menus, one policy for both stations, and its mode."""
        mode = self.judge(act_in_states(self.env, self.params, policy, states.states), states)
        if not isinstance(policy, NetworkPolicy):
            return mode
        with jax.enable_x64(True):
            batch = states.states, states.stakes
            given = in_float64((batch, policy, self.params))
            found = in_blocks(partial(_measure_law, self.env), *given, block_size=SIDE_BY_SIDE)
        return self._report(states, **found, mode_exploitability=mode.exploitability)

    def baselines(self, states: MenuSolution) -> dict[str, MenuReport]:
        """Of the menus with u_2 − u_1 at its least, the one that loses least."""
        rents = np.linspace(0.0, 1.0, 101)
        reports = [self.judge(np.tile([rent, 0.0], (len(states.payoffs), 1)), states) for rent in rents]
        return {"best single menu": min(reports, key=lambda report: report.exploitability)}

    def judge(self, actions: np.ndarray, states: MenuSolution) -> MenuReport:
        """Measure policies of one menu in each state, as actions [S, 2], in float64.

        A menu below IR (x_1 < 0), which `feasible` counts, earns here as if its devices came.
        """
        actions = np.asarray(actions, np.float64)
        with jax.enable_x64(True):
            batch = actions, states.stakes
            earned, best = in_blocks(_measure_menu, batch, in_float64(self.params.capacity))
        # A step of u_2 beyond an end counts as that end.
        missed = states.stakes.surplus[:, 0] * np.maximum(0.0, -actions[:, 0])
        report = self._report(states, earned=earned, best=best, rent=actions[:, 0])
        return dataclasses.replace(
            report,
            mode_exploitability=report.exploitability,
            feasible=float(np.mean(missed == 0)),
            max_violation=float(np.max(missed)),
        )

    def remarks(self, report: MenuReport) -> list[str]:
        """None."""
        del report
        return []

    def draw(self, policy: NetworkPolicy, states: MenuSolution, count: int) -> np.ndarray:
        """Draws x [N, 2] of a policy in the first of the states."""
        first = jax.tree.map(lambda leaf: np.asarray(leaf)[0], in_default_precision(states.states))
        observation = jnp.broadcast_to(
            self.env.observe(first, self.params)[None], (count, 6 + 2 * self.env.num_types)
        )
        return np.asarray(policy.sample(jax.random.key(0), observation), float)

    def _report(
        self, states: MenuSolution, *, earned: Any, best: Any, rent: Any, **others: Any
    ) -> MenuReport:
        """A report of what the policy earns for each device in each state, and the best menu."""
        devices = float(self.params.system.num_devices)
        utility, missed = devices * float(np.mean(earned)), devices * (best - earned)
        return MenuReport(
            num_states=len(states.payoffs),
            optimum=float(states.payoffs.mean()),
            reward=utility,
            utility=utility,
            exploitability=float(missed.sum() / states.payoffs.sum()),
            regret=float(missed.mean()),
            worst_regret=float(missed.max()),
            rent=float(np.mean(rent)),
            **{"mode_exploitability": float("nan"), "feasible": 1.0, "max_violation": 0.0, **others},
        )


def find_stakes(system: System, state: NetworkState) -> Stakes:
    """What two stations bargain over in one network state of two types."""
    prices = find_prices(system, put_rounds_last(jax.tree.map(lambda leaf: leaf[None], state)))
    frequency, surplus = prices.frequency[:, 0], prices.surplus[:, 0]
    cost = 1.0 / state.device_types
    return Stakes(surplus, (cost[0] - cost[1]) * effort(system, frequency), state.type_probs)


@jax.jit
def _solve(states: NetworkState, params: CapacityParams) -> tuple[Stakes, jax.Array]:
    def one(state):
        stakes = find_stakes(params.system, state)
        return stakes, params.system.num_devices * secured_payoff(stakes, params.capacity)

    return jax.vmap(one)(states)


@partial(jax.jit, static_argnums=0)
def _measure_law(env: CapacityEnv, batch: Any, policy: NetworkPolicy, params: CapacityParams) -> Any:
    def one(given):
        state, stakes = given
        law = learned_menu_law(policy, env.observe(state, params), stakes)
        earned, best = menu_law_payoffs(law, stakes, params.capacity)
        mass = jnp.diff(law.chances[:, -1])
        rent = jnp.sum(mass * 0.5 * (law.first[1:] + law.first[:-1])) / jnp.maximum(stakes.surplus[0], 1e-12)
        return {"earned": earned, "best": best, "rent": rent}

    return jax.lax.map(one, batch)


@jax.jit
def _measure_menu(batch: Any, capacity: jax.Array) -> tuple[jax.Array, jax.Array]:
    def one(given):
        action, stakes = given
        return best_reply_to_menu(leave(action, stakes), stakes, capacity)

    return jax.vmap(one)(batch)
