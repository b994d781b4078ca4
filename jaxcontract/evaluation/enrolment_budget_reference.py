"""How much of what is possible a policy earns from devices that enrol, out of a budget: a certified bound."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.envs.enrolment_budget import EnrolmentBudgetEnv, EnrolmentBudgetParams
from jaxcontract.evaluation.blocks import in_blocks, in_float64
from jaxcontract.evaluation.episode_report import EpisodeReport, report_episodes
from jaxcontract.evaluation.episodes import act, audit, draw_episodes, play_episodes, traceable
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.enrolment_budget import enrolment_budget_bound
from jaxcontract.mechanism.enrolment_budget_heuristics import (
    Offer,
    PaidRounds,
    offer_equal_parts,
    offer_myopically,
    plan_paid_contracts,
    play_paid_rounds,
    play_plan,
)
from jaxcontract.mechanism.records import Contract, NetworkState

SIDE_BY_SIDE, FEW = 64, 4  # episodes of policies, and of bounds and plans, which are solved one by one


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaidEpisodes:
    """Episodes with what no policy earns more of, in float64. states: [S, Z, ...]; bounds: [S]."""

    states: NetworkState
    bounds: np.ndarray


@dataclasses.dataclass(frozen=True)
class EnrolmentBudgetReference:
    """Measures policies of the game of enrolment with a budget: what Z rounds earn. A `Reference`.

    The bound leaves IC out, and knows all of an episode's networks in advance.
    """

    env: EnrolmentBudgetEnv
    params: EnrolmentBudgetParams

    @property
    def stays(self) -> bool:
        """Whether an episode has one network."""
        return float(self.params.redraw) == 0

    @property
    def rules(self) -> list[str]:
        """What policies are shown beside. A plan needs a network that stays."""
        return ["myopic", "equal split", *(["plan"] if self.stays else [])]

    def test_states(self, count: int, seed: int) -> PaidEpisodes:
        """Unseen episodes with their bounds."""
        redraw = float(self.params.redraw)
        states = draw_episodes(self.params.distribution, count, self.env.num_rounds, redraw, seed)
        with jax.enable_x64(True):
            bounds = in_blocks(_bound, states, in_float64(self.params), block_size=FEW)
        return PaidEpisodes(states=states, bounds=bounds)

    def evaluate(self, policy: Any, states: PaidEpisodes) -> EpisodeReport:
        """What its mode earns."""
        with jax.enable_x64(True):
            given = states.states, traceable(policy), in_float64(self.params)
            found = play_episodes(partial(_play_policy, self.env), *given, at_once=SIDE_BY_SIDE)
        return _report(found, states)

    def rounds(self, policies: Sequence[Any], states: PaidEpisodes) -> dict[str, dict[str, np.ndarray]]:
        """The rounds of the first episode, [Z] each: {quantity: {name: [Z]}}.

        policies: of the seeds, whose mean is `learned`
        """
        params = in_float64(self.params)
        path = jax.tree.map(lambda leaf: leaf[0], states.states)
        with jax.enable_x64(True):
            played = [jax.device_get(_follow(self.env, path, traceable(one), params)) for one in policies]
            shown = {"learned": jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *played)}
            shown |= {name: jax.device_get(_follow_rule(name, path, params)) for name in self.rules}
        probs, types = np.asarray(path.type_probs), np.asarray(path.device_types)
        quantities: dict[str, dict[str, np.ndarray]] = {}
        for name, one in shown.items():
            rents = one.contracts.payment - effort(params.system, one.contracts.frequency) / types
            found = {
                "share enrolled": np.sum(probs * one.enrolled, axis=1),
                "what type 1 earns, u$_1$\n(units of payment)": np.asarray(rents)[:, 0],
                "payments of a round\n(units of payment)": one.spent,
                "money left\n(units of payment)": float(self.params.money) - np.cumsum(one.spent),
            }
            for quantity, values in found.items():
                quantities.setdefault(quantity, {})[name] = values
        return quantities

    def baselines(self, states: PaidEpisodes) -> dict[str, EpisodeReport]:
        """The myopic contract, also within equal parts of the money; where networks stay, plans too."""
        params, reports = in_float64(self.params), {}
        with jax.enable_x64(True):
            for name in self.rules:
                at_once = FEW if name == "plan" else SIDE_BY_SIDE
                given = partial(_play_rule, name), states.states, params
                reports[name] = _report(play_episodes(*given, at_once=at_once), states)
        return reports

    def remarks(self, report: EpisodeReport) -> list[str]:
        """What a person should know of the result: a value above its bound, or a policy that loses."""
        if report.value > report.upper_bound * (1.0 + 1e-6):
            return ["a policy earns more than its upper bound: one of the two is wrong"]
        return ["a policy loses: doing without devices earns 0"] if report.value < 0 else []


def _report(found: dict[str, np.ndarray], states: PaidEpisodes) -> EpisodeReport:
    return report_episodes(
        found["value"],
        states.bounds,
        feasible=float(found["feasible"].mean()),
        max_violation=float(found["violation"].max()),
    )


@jax.jit
def _bound(states: NetworkState, params: EnrolmentBudgetParams) -> jax.Array:
    def one(path: NetworkState) -> jax.Array:
        return enrolment_budget_bound(params.system, path, params.enrolment, params.money)[0]

    return jax.lax.map(one, states)


def _measure(params: EnrolmentBudgetParams, path: NetworkState, played: PaidRounds) -> dict[str, jax.Array]:
    """The numbers of one episode."""
    fits, violation = jax.vmap(partial(audit, params.system))(path, played.contracts)
    return {"value": jnp.sum(played.earned), "feasible": jnp.mean(fits), "violation": jnp.max(violation)}


def _play(path: NetworkState, params: EnrolmentBudgetParams, offer: Offer) -> PaidRounds:
    return play_paid_rounds(params.system, path, params.enrolment, params.money, offer)


@partial(jax.jit, static_argnums=0)
def _follow(
    env: EnrolmentBudgetEnv, path: NetworkState, policy: Any, params: EnrolmentBudgetParams
) -> PaidRounds:
    def offer(state: NetworkState, enrolled: jax.Array, money: jax.Array, rounds_left: jax.Array) -> Contract:
        action = act(policy, env.observe(state, enrolled, money, rounds_left, params))
        return env.contract(state, action, params)

    return _play(path, params, offer)


@partial(jax.jit, static_argnums=0)
def _follow_rule(name: str, path: NetworkState, params: EnrolmentBudgetParams) -> PaidRounds:
    """The rounds of one episode with contracts that need no learning."""
    system, law = params.system, params.enrolment
    if name == "plan":
        first = jax.tree.map(lambda leaf: leaf[0], path)
        plan = plan_paid_contracts(system, first, law, params.money, len(path.max_aoi))
        return play_plan(system, path, law, params.money, plan)
    return _play(path, params, offer_myopically(system) if name == "myopic" else offer_equal_parts(system))


@partial(jax.jit, static_argnums=0)
def _play_policy(
    env: EnrolmentBudgetEnv, states: NetworkState, policy: Any, params: EnrolmentBudgetParams
) -> dict[str, jax.Array]:
    return jax.vmap(lambda path: _measure(params, path, _follow(env, path, policy, params)))(states)


@partial(jax.jit, static_argnums=0)
def _play_rule(name: str, states: NetworkState, params: EnrolmentBudgetParams) -> dict[str, jax.Array]:
    return jax.vmap(lambda path: _measure(params, path, _follow_rule(name, path, params)))(states)
