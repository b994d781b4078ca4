"""The contract game as every learner plays it, and the measure of what they have learned."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

import jaxcontract as jc
from jaxcontract.core.spaces import Box
from jaxcontract.envs.wrappers import ScaledEnv
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from learners.plan import GAMES, Plan

FAR = 100.0
MEASURES = ("feasible", "regret", "screening_gap")


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Game:
    """A game of `GAMES` in the form in which general learners do best, in gymnax's shape.

    Our own policy has two fixed maps inside that theirs lack: it scales observations to [−1, 1], and
    brings actions into their box. So other learners see scaled observations, and a box of raw actions is
    [−1, 1] to them, not [0, 1]: a fresh Gaussian policy starts at its centre. The rules are the same.
    """

    name: str
    num_types: int = 2

    @property
    def env(self) -> jc.ContractEnv:
        return jc.ContractEnv(num_types=self.num_types, **GAMES[self.name])

    @property
    def default_params(self) -> Any:
        return self.env.default_params

    @property
    def scaled(self) -> ScaledEnv:
        """The game inside: vectors of R^A as they are, a box as [−1, 1]."""
        return ScaledEnv(env=self.env, reach=1.0)

    def reset(self, key: jax.Array, params: Any = None) -> tuple[jax.Array, Any]:
        """The first round: (observation [O], state). The key is consumed."""
        return self.scaled.reset(key, params)

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> tuple[Any, ...]:
        """Play one round, as gymnax 1.x has it. The key is consumed.

        The game goes on for ever: its end changes nothing at discount 0, and is not reported. No more is
        said of a round than learners need, so that nothing more has to be computed.
        """
        observation, state, reward, never, _, info = self.scaled.step(key, state, action, params)
        return observation, state, reward, never, never, {"final_observation": info["final_observation"]}

    def observation_space(self, params: Any = None) -> Box:
        """[O], all in [−1, 1]."""
        return self.scaled.observation_space(params)

    def action_space(self, params: Any = None) -> Box:
        """[A]: a box [−1, 1], or bounds that no action comes near, for learners that want some."""
        del params
        bound = 1.0 if self.env.actions == "raw" else FAR
        return Box(-bound, bound, (self.env.num_actions,))


class Evaluator:
    """Holds policies against the optimum of fixed states: fewer along the curve than for the result."""

    def __init__(self, plan: Plan) -> None:
        from jaxcontract.evaluation.blocks import BLOCK
        from jaxcontract.evaluation.reference import solve_reference
        from jaxcontract.evaluation.states import CURVE_SEED, unseen_states

        self.game = Game(plan.game, plan.num_types)
        params = self.game.default_params
        few = unseen_states(params.distribution, min(plan.states, BLOCK), seed=CURVE_SEED)
        self.curve = solve_reference(params.system, few)
        self.unseen = solve_reference(params.system, unseen_states(params.distribution, plan.states))

    def on_curve(self, policies: Sequence[Any]) -> dict[str, list[float]]:
        """Each seed's share of feasible contracts, mean regret and screening gap, on the curve's states."""
        return self._measure(policies, self.curve)

    def on_unseen(self, policies: Sequence[Any]) -> dict[str, list[float]]:
        """The same on the states of the final measurement."""
        return self._measure(policies, self.unseen)

    def _measure(self, policies: Sequence[Any], solution: Any) -> dict[str, list[float]]:
        reports = [self._report(policy, solution) for policy in policies]
        return {name: [getattr(report, name) for report in reports] for name in MEASURES}

    def _report(self, policy: Any, solution: Any) -> Any:
        ours = isinstance(policy, NetworkPolicy)
        return jc.evaluate(policy if ours else jc.HostPolicy(policy), self.game.env, states=solution)
