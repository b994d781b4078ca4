"""How much of what is possible a policy earns out of a budget, against the bound in hindsight."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.envs.budget import BudgetEnv, BudgetParams
from jaxcontract.evaluation.blocks import in_float64
from jaxcontract.evaluation.episode_report import EpisodeReport, report_episodes
from jaxcontract.evaluation.episodes import act, audit, draw_episodes, play_episodes, traceable
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.budget import hindsight_bound
from jaxcontract.mechanism.budget_heuristics import (
    Rule,
    fix_price,
    follow_budget_program,
    play_budget,
    resolve_price,
    spend_freely,
    split_equally,
)
from jaxcontract.mechanism.budget_program import PriceTable, budget_program, make_price_table
from jaxcontract.mechanism.records import Contract, NetworkState

SIDE_BY_SIDE = 256
TABLED, TABLE_SEED = 1024, 2**31 - 3  # networks that a rule knows the law by: of a stream of their own


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetEpisodes:
    """Episodes with what no policy earns more of, in float64. states: [S, Z, ...]; bounds: [S]."""

    states: NetworkState
    bounds: np.ndarray


@dataclasses.dataclass(frozen=True)
class BudgetReference:
    """Measures policies of the game of a budget: what Z rounds earn. A `Reference`.

    The bound is that of hindsight, with all of an episode's networks known in advance.
    """

    env: BudgetEnv
    params: BudgetParams

    def test_states(self, count: int, seed: int) -> BudgetEpisodes:
        """Unseen episodes with their bounds."""
        redraw = float(self.params.redraw)
        states = draw_episodes(self.params.distribution, count, self.env.num_rounds, redraw, seed)
        with jax.enable_x64(True):
            bounds = play_episodes(_bound, states, in_float64(self.params), at_once=SIDE_BY_SIDE)
        return BudgetEpisodes(states=states, bounds=bounds)

    def evaluate(self, policy: Any, states: BudgetEpisodes) -> EpisodeReport:
        """What its mode earns."""
        found = self._play(policy, states)
        return report_episodes(
            found["earned"].sum(axis=1),
            states.bounds,
            feasible=float(found["feasible"].mean()),
            max_violation=float(found["violation"].max()),
        )

    def rounds(self, policies: Sequence[Any], states: BudgetEpisodes) -> dict[str, dict[str, np.ndarray]]:
        """Means over the episodes of what rounds cost and leave, [Z] each: {quantity: {name: [Z]}}.

        policies: of the seeds, whose mean is `learned`
        """
        found = [self._play(policy, states)["spent"] for policy in policies]
        others = {name: spent for name, (_, spent) in self._play_rules(states).items()}
        spent = {"learned": np.mean(found, axis=0), **others}
        means = {name: one.mean(axis=0) for name, one in spent.items()}
        total = float(self.params.money)
        return {
            "payments of a round\n(units of payment)": means,
            "money left\n(units of payment)": {name: total - np.cumsum(one) for name, one in means.items()},
        }

    def baselines(self, states: BudgetEpisodes) -> dict[str, EpisodeReport]:
        """Rules for spending; where networks are independent, the exact program too."""
        return {
            name: report_episodes(earned.sum(axis=1), states.bounds)
            for name, (earned, _) in self._play_rules(states).items()
        }

    def _play(self, policy: Any, states: BudgetEpisodes) -> dict[str, np.ndarray]:
        """What rounds earn and cost with the mode of a policy, [S, Z] each, and how they keep constraints."""
        with jax.enable_x64(True):
            given = states.states, traceable(policy), in_float64(self.params)
            played: dict[str, np.ndarray] = play_episodes(
                partial(_play_policy, self.env), *given, at_once=SIDE_BY_SIDE
            )
        return played

    def _play_rules(self, states: BudgetEpisodes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What rounds earn and cost under each rule, [S, Z] twice."""
        rules = ["myopic", "equal split", "price fixed", "price re-solved"]
        rules += ["program"] if float(self.params.redraw) == 1 else []
        params = in_float64(self.params)
        with jax.enable_x64(True):
            networks = in_float64(unseen_states(self.params.distribution, TABLED, seed=TABLE_SEED))
            table = _make_table(networks, params)
            return {
                name: play_episodes(
                    partial(_play_rule, name, self.env), states.states, table, params, at_once=SIDE_BY_SIDE
                )
                for name in rules
            }

    def remarks(self, report: EpisodeReport) -> list[str]:
        """What a person should know of the result: a value above its bound."""
        if report.value > report.upper_bound * (1.0 + 1e-6):
            return ["a policy earns more than its upper bound: one of the two is wrong"]
        return []


@jax.jit
def _bound(states: NetworkState, params: BudgetParams) -> jax.Array:
    return jax.vmap(lambda path: hindsight_bound(params.system, path, params.money))(states)


@jax.jit
def _make_table(networks: NetworkState, params: BudgetParams) -> PriceTable:
    return make_price_table(params.system, networks)


@partial(jax.jit, static_argnums=0)
def _play_policy(
    env: BudgetEnv, states: NetworkState, policy: Any, params: BudgetParams
) -> dict[str, jax.Array]:
    """What each round of each episode earns, [S, Z]."""

    def play(money: jax.Array, given: tuple[NetworkState, jax.Array]) -> tuple[jax.Array, Any]:
        state, rounds_left = given
        action = act(policy, env.observe(state, money, rounds_left, params))
        rows = jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, 1)), state)
        offered, earned, spent = env.sign(params, rows, money[None], action[:, None])
        contract = Contract(frequency=offered.frequency[:, 0], payment=offered.payment[:, 0])
        fits, violation = audit(params.system, state, contract)
        told = {"earned": earned[0], "spent": spent[0], "feasible": fits, "violation": violation}
        return money - spent[0], told

    def one(path: NetworkState) -> dict[str, jax.Array]:
        rounds_left = env.num_rounds - jnp.arange(env.num_rounds)
        found: dict[str, jax.Array] = jax.lax.scan(play, jnp.asarray(params.money), (path, rounds_left))[1]
        return found

    return jax.vmap(one)(states)


@partial(jax.jit, static_argnums=(0, 1))
def _play_rule(
    name: str, env: BudgetEnv, states: NetworkState, table: PriceTable, params: BudgetParams
) -> tuple[jax.Array, jax.Array]:
    rule = _make_rule(name, env, table, params)
    return jax.vmap(lambda path: play_budget(params.system, path, params.money, rule))(states)


def _make_rule(name: str, env: BudgetEnv, table: PriceTable, params: BudgetParams) -> Rule:
    system = params.system
    if name == "myopic":
        return spend_freely()
    if name == "equal split":
        return split_equally(system)
    if name == "price fixed":
        return fix_price(system, table, params.money, env.num_rounds)
    if name == "price re-solved":
        return resolve_price(system, table)
    return follow_budget_program(system, budget_program(table, params.money, env.num_rounds))
