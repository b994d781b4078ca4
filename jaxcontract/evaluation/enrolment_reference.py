"""How much of what is possible a policy earns from devices that enrol, against certified bounds."""

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.envs.enrolment import EnrolmentEnv, EnrolmentParams
from jaxcontract.evaluation.blocks import in_blocks, in_float64
from jaxcontract.evaluation.episode_report import EpisodeReport, report_episodes
from jaxcontract.evaluation.episodes import act, audit, draw_episodes, play_episodes, traceable
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.enrolment_bound import path_bound, separate_bound
from jaxcontract.mechanism.enrolment_heuristics import constant_contract, myopic_contract, steady_contract
from jaxcontract.mechanism.enrolment_paths import plan_contracts
from jaxcontract.mechanism.enrolment_play import Played, follow_program, play_contracts, play_rounds
from jaxcontract.mechanism.enrolment_program import EnrolmentProgram, solve_programs
from jaxcontract.mechanism.records import Contract, NetworkState

LEAST_WEIGHT, MOST_ROUNDS = 1e-6, 2000  # γ^z below which rounds no longer count
SHOWN = 40  # rounds in a picture
SIDE_BY_SIDE, FEW = 64, 4  # episodes of policies, and of bounds, which are solved one by one


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentEpisodes:
    """Episodes with what no policy earns more of, in float64.

    states: [S, Z, ...]; bounds: [S]; programs: of networks that stay, of two types, [S, ...], or None
    """

    states: NetworkState
    bounds: np.ndarray
    programs: EnrolmentProgram | None


@dataclasses.dataclass(frozen=True)
class EnrolmentReference:
    """Measures policies of the game of enrolment: Σ γ^z of what rounds earn, until γ^z < 1e-6. A `Reference`.

    The bound: where the network stays, of two types, a dynamic program's; of others what is left without IC,
    and where networks change, with all of an episode's networks known in advance.
    """

    env: EnrolmentEnv
    params: EnrolmentParams

    @property
    def num_rounds(self) -> int:
        """Z: after as many rounds nothing counts."""
        discount = float(self.params.value_discount)
        if discount == 0:
            return 1
        return min(math.ceil(math.log(LEAST_WEIGHT) / math.log(discount)), MOST_ROUNDS)

    @property
    def stays(self) -> bool:
        """Whether an episode has one network."""
        return float(self.params.redraw) == 0

    def test_states(self, count: int, seed: int) -> EnrolmentEpisodes:
        """Unseen episodes with their bounds."""
        params = in_float64(self.params)
        states = draw_episodes(
            self.params.distribution, count, self.num_rounds, float(self.params.redraw), seed
        )
        if not self.stays:
            with jax.enable_x64(True):
                bounds = in_blocks(_bound_paths, states, params, block_size=FEW)
            return EnrolmentEpisodes(states=states, bounds=bounds, programs=None)
        first = jax.tree.map(lambda leaf: leaf[:, 0], states)
        with jax.enable_x64(True):
            if self.env.num_types != 2 or self.params.system.brings_its_own:
                return EnrolmentEpisodes(
                    states=states,
                    bounds=in_blocks(_bound_separately, first, params, block_size=FEW),
                    programs=None,
                )
            programs = in_blocks(_solve, first, params, block_size=FEW)
        return EnrolmentEpisodes(states=states, bounds=programs.upper_bound, programs=programs)

    def evaluate(self, policy: Any, states: EnrolmentEpisodes) -> EpisodeReport:
        """What its mode earns."""
        with jax.enable_x64(True):
            given = states.states, traceable(policy), in_float64(self.params)
            found = play_episodes(partial(_play_policy, self.env), *given, at_once=SIDE_BY_SIDE)
        return self._report(found, states)

    def rounds(self, policies: Sequence[Any], states: EnrolmentEpisodes) -> dict[str, dict[str, np.ndarray]]:
        """The first rounds of the first episode, [Z] each: {quantity: {name: [Z]}}.

        policies: of the seeds, whose mean is `learned`
        """
        params = in_float64(self.params)
        path = jax.tree.map(lambda leaf: leaf[0], states.states)
        with jax.enable_x64(True):
            played = [jax.device_get(_follow(self.env, path, traceable(one), params)) for one in policies]
            learned = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *played)
            shown = {"learned": learned}
            for name in ("plan", "constant", "myopic") if self.stays else ("myopic",):
                shown[name] = jax.device_get(_follow_rule(name, path, params))
        first = slice(min(SHOWN, self.num_rounds))
        probs, types = np.asarray(path.type_probs), np.asarray(path.device_types)
        quantities: dict[str, dict[str, np.ndarray]] = {}
        for name, one in shown.items():
            rent = one.contracts.payment - effort(params.system, one.contracts.frequency) / types
            found = {
                "share enrolled": np.sum(probs * one.enrolled, axis=1),
                "what type 1 earns, u$_1$\n(units of payment)": np.asarray(rent)[:, 0],
                "payments of a round\n(units of payment)": float(params.system.num_devices)
                * np.sum(probs * one.enrolled * one.contracts.payment, axis=1),
            }
            for quantity, values in found.items():
                quantities.setdefault(quantity, {})[name] = values[first]
        return quantities

    def baselines(self, states: EnrolmentEpisodes) -> dict[str, EpisodeReport]:
        """The myopic contract; where networks stay, the best constant, the steady state and plans too."""
        names = ["myopic", "constant", "steady", "plan"] if self.stays else ["myopic"]
        params, batch = in_float64(self.params), states.states
        with jax.enable_x64(True):
            found = {
                name: play_episodes(partial(_play_rule, name), batch, params, at_once=SIDE_BY_SIDE)
                for name in names
            }
            if states.programs is not None:
                pairs = batch, states.programs
                found["program"] = play_episodes(_play_programs, pairs, params, at_once=SIDE_BY_SIDE)
        return {name: self._report(one, states) for name, one in found.items()}

    def remarks(self, report: EpisodeReport) -> list[str]:
        """What a person should know of the result: a value above its bound, or a policy that loses."""
        if report.value > report.upper_bound * (1.0 + 1e-6):
            return ["a policy earns more than its upper bound: one of the two is wrong"]
        return ["a policy loses: doing without devices earns 0"] if report.value < 0 else []

    def _report(self, found: dict[str, np.ndarray], states: EnrolmentEpisodes) -> EpisodeReport:
        return report_episodes(
            found["value"],
            states.bounds,
            feasible=float(found["feasible"].mean()),
            max_violation=float(found["violation"].max()),
        )


def _of_params(params: EnrolmentParams) -> tuple[Any, Any, Any]:
    return params.system, params.enrolment, params.value_discount


@jax.jit
def _solve(states: NetworkState, params: EnrolmentParams) -> EnrolmentProgram:
    system, law, discount = _of_params(params)
    return solve_programs(system, states, law, discount)


@jax.jit
def _bound_separately(states: NetworkState, params: EnrolmentParams) -> jax.Array:
    system, law, discount = _of_params(params)
    return jax.lax.map(lambda state: separate_bound(system, state, law, discount), states)


@jax.jit
def _bound_paths(states: NetworkState, params: EnrolmentParams) -> jax.Array:
    system, law, discount = _of_params(params)
    return jax.lax.map(lambda path: path_bound(system, path, law, discount), states)


def _measure(params: EnrolmentParams, states: NetworkState, played: Played) -> dict[str, jax.Array]:
    """The numbers of one episode."""
    fits, violation = jax.vmap(partial(audit, params.system))(states, played.contracts)
    return {"value": played.value, "feasible": jnp.mean(fits), "violation": jnp.max(violation)}


@partial(jax.jit, static_argnums=0)
def _follow(env: EnrolmentEnv, states: NetworkState, policy: Any, params: EnrolmentParams) -> Played:
    system, law, discount = _of_params(params)

    def offer(state: NetworkState, enrolled: jax.Array) -> Contract:
        return env.contract(state, act(policy, env.observe(state, enrolled, params)), params)

    return play_rounds(system, states, law, discount, offer)


@partial(jax.jit, static_argnums=0)
def _play_policy(
    env: EnrolmentEnv, states: NetworkState, policy: Any, params: EnrolmentParams
) -> dict[str, jax.Array]:
    return jax.vmap(lambda path: _measure(params, path, _follow(env, path, policy, params)))(states)


@partial(jax.jit, static_argnums=0)
def _play_rule(name: str, states: NetworkState, params: EnrolmentParams) -> dict[str, jax.Array]:
    return jax.vmap(lambda path: _measure(params, path, _follow_rule(name, path, params)))(states)


@partial(jax.jit, static_argnums=0)
def _follow_rule(name: str, path: NetworkState, params: EnrolmentParams) -> Played:
    """The rounds of one episode with contracts that need no learning."""
    system, law, discount = _of_params(params)
    first = jax.tree.map(lambda leaf: leaf[0], path)
    if name == "plan":
        contracts = plan_contracts(system, first, law, discount, len(path.max_aoi))
        return play_contracts(system, path, law, discount, contracts)
    if name == "myopic":
        return play_rounds(system, path, law, discount, partial(myopic_contract, system))
    found = (
        constant_contract(system, first, law, discount)
        if name == "constant"
        else steady_contract(system, first, law)
    )
    return play_rounds(system, path, law, discount, partial(_repeat, found))


def _repeat(contract: Contract, state: NetworkState, enrolled: jax.Array) -> Contract:
    del state, enrolled
    return contract


@jax.jit
def _play_programs(
    pairs: tuple[NetworkState, EnrolmentProgram], params: EnrolmentParams
) -> dict[str, jax.Array]:
    system, law, discount = _of_params(params)

    def one(pair: tuple[NetworkState, EnrolmentProgram]) -> dict[str, jax.Array]:
        path, program = pair
        first = jax.tree.map(lambda leaf: leaf[0], path)
        offer = follow_program(system, first, law, program, discount)
        return _measure(params, path, play_rounds(system, path, law, discount, offer))

    return jax.lax.map(one, pairs)
