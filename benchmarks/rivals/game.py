"""The contract game as every rival plays it, and the judge of what they have learned."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxcontract as jc
from rivals.plan import GAMES, Plan


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Game:
    """A game of `GAMES` in the form in which general learners do best.

    Our own policy has two fixed maps inside that theirs lack: it scales observations to [−1, 1], and
    brings actions into their box. So rivals see scaled observations, and a box of raw actions is
    [−1, 1] to them, not [0, 1]: a fresh Gaussian policy starts at its centre. The rules are the same.
    """

    name: str

    @property
    def env(self) -> jc.ContractEnv:
        return jc.ContractEnv(**GAMES[self.name])

    @property
    def params(self) -> Any:
        return self.env.default_params

    @property
    def bounded(self) -> bool:
        """Whether actions are a box [−1, 1], or any vector of R^A."""
        return self.env.actions == "raw"

    @property
    def num_inputs(self) -> int:
        """The length O of an observation."""
        return self.env.observation_space().shape[0]

    @property
    def num_actions(self) -> int:
        """The length A of an action."""
        return self.env.action_space().shape[0]

    def reset(self, key: jax.Array) -> tuple[jax.Array, Any]:
        """The first round: (observation [O], state). The key is consumed."""
        observation, state = self.env.reset(key, self.params)
        return self.scaled(observation), state

    def step(self, key: jax.Array, state: Any, action: jax.Array) -> tuple[jax.Array, Any, jax.Array]:
        """Play one round: (observation [O], state, reward). The key is consumed.

        The game goes on for ever: its end changes nothing at discount 0, and is not reported.
        """
        action = self.env_action(action)
        observation, state, reward, _, _, _ = self.env.step(key, state, action, self.params)
        return self.scaled(observation), state, reward

    def scaled(self, observation: Any) -> Any:
        """[..., O] → [..., O], in [−1, 1]; an entry that never changes becomes 0."""
        space = self.env.observation_space(self.params)
        center, width = 0.5 * (space.low + space.high), 0.5 * (space.high - space.low)
        return (observation - center) / jnp.where(width > 0, width, 1.0)

    def env_action(self, action: Any) -> Any:
        """A rival's action [..., A] as the env takes it."""
        return 0.5 * (1.0 + action) if self.bounded else action


class Judge:
    """Holds policies against the optimum of fixed states: fewer along the curve than for the result."""

    def __init__(self, plan: Plan) -> None:
        from jaxcontract.evaluation import BLOCK, CURVE_SEED, make_yardstick, unseen_states

        self.game = Game(plan.game)
        params = self.game.params
        few = unseen_states(params.distribution, min(plan.states, BLOCK), seed=CURVE_SEED)
        self.curve = make_yardstick(params.system, few)
        self.unseen = make_yardstick(params.system, unseen_states(params.distribution, plan.states))

    def on_curve(self, policies: Sequence[Any]) -> dict[str, list[float]]:
        """Each seed's share of feasible contracts, and their mean regret, on the curve's states."""
        return self._measure(policies, self.curve)

    def on_unseen(self, policies: Sequence[Any]) -> dict[str, list[float]]:
        """The same on the states of the final measurement."""
        return self._measure(policies, self.unseen)

    def _measure(self, policies: Sequence[Any], yardstick: Any) -> dict[str, list[float]]:
        reports = [self._report(policy, yardstick) for policy in policies]
        return {name: [getattr(report, name) for report in reports] for name in ("feasible", "regret")}

    def _report(self, policy: Any, yardstick: Any) -> Any:
        from jaxcontract.evaluation import judge

        states = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), yardstick.states)
        action = policy(np.asarray(_observations(states, self.game)))
        contracts = _contracts(states, jnp.asarray(action), self.game)
        params = self.game.params
        return judge(contracts, yardstick, penalty=params.penalty, tolerance=params.tolerance)


@partial(jax.jit, static_argnames="game")
def _observations(states: Any, game: Game) -> jax.Array:
    return jax.vmap(jc.observe, in_axes=(None, 0))(game.params.system, states)


@partial(jax.jit, static_argnames="game")
def _contracts(states: Any, action: jax.Array, game: Game) -> Any:
    return jax.vmap(game.env.contract, in_axes=(0, 0, None))(states, action, game.params)
