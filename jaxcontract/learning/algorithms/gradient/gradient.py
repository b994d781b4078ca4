"""Learning without reinforcement: climb the slope of the reward itself, where an environment has one."""

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxcontract.core.protocols import Algorithm, Environment
from jaxcontract.core.pytree import register
from jaxcontract.learning.algorithms.gradient.config import GradientConfig as GradientConfig
from jaxcontract.learning.algorithms.gradient.config import learns_by_draws
from jaxcontract.learning.divergence import watch_divergence
from jaxcontract.learning.loop import Metrics
from jaxcontract.learning.networks.initialize import init_network
from jaxcontract.learning.optimizer import descend, make_optimizer
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.learning.rollout import step
from jaxcontract.learning.train_state import TrainState, begin_rounds

register(GradientConfig)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GradientState(TrainState):
    """The ascent under way. `weights`: the policy's network, {"actor", "head"} of a head learned by draws."""

    @property
    def policy(self) -> NetworkPolicy:
        """What has been learned; by the mode, the actions drawn from it are that, but for the least noise."""
        if learns_by_draws(self.head):
            return self.make_policy(self.weights["actor"], self.weights["head"])
        return self.make_policy(self.weights, self.head.init_certain(self.bijector.low.shape[-1]))

    def with_policy(self, policy: NetworkPolicy) -> Self:
        """The learner with what it learns of another policy; all else stays as it is."""
        if learns_by_draws(self.head):
            return self.replace_weights({"actor": policy.weights, "head": policy.parameters})
        return self.replace_weights(policy.weights)


def init(key: jax.Array, env: Environment, params: Any, config: GradientConfig) -> GradientState:
    """A fresh policy, and B environments reset. The key is consumed."""
    key_weights, key_start, key_train = jax.random.split(key, 3)
    begun = begin_rounds(key_start, env, params, config)
    num_inputs, num_actions = len(begun["observation"]), begun["bijector"].low.shape[-1]
    head = config.policy_head
    weights = init_network(config.network, key_weights, env, num_inputs, head.num_outputs(num_actions))
    if learns_by_draws(head):
        weights = {"actor": weights, "head": head.init(num_actions)}
    optimizer_state = make_optimizer(config, 0).init(weights)
    return GradientState(weights=weights, optimizer_state=optimizer_state, key=key_train, **begun)


def update(
    learner: GradientState, env: Environment, params: Any, config: GradientConfig
) -> tuple[GradientState, Metrics]:
    """One step up ∇_ω E R(s, π_ω(s)), the expectation over B rounds played with the mode.

    The derivative goes through the environment's own reward, so no critic, no ratio and no noise is
    needed. It sees one round ahead: what an action does to later rounds is ignored, which is exact
    where, as in (11), the next state does not depend on the action.

    A head that learns by draws plays those, and the derivative goes through them: of a diffusion's, through
    all steps of its chain, as in GDMOPT where rewards have a slope.
    """
    by_draws = learns_by_draws(learner.head)
    key, key_env, *key_draw = jax.random.split(learner.key, 3 if by_draws else 2)

    def loss(weights):
        policy = dataclasses.replace(learner, weights=weights).policy
        action = play(policy, learner.observation, *key_draw)
        observation, env_state, reward, *_ = step(key_env, env, params, learner.env_state, action)
        return -jnp.mean(reward), (observation, env_state)

    gradient_of = jax.value_and_grad(loss, has_aux=True)
    (value, (observation, env_state)), gradient = gradient_of(learner.weights)
    weights, optimizer_state, norm = descend(
        gradient, learner.weights, learner.optimizer_state, config, learner.num_updates
    )
    if by_draws:
        weights["head"] = learner.head.bound(weights["head"])
    learner = dataclasses.replace(
        learner,
        weights=weights,
        optimizer_state=optimizer_state,
        env_state=env_state,
        observation=observation,
        key=key,
        num_updates=learner.num_updates + 1,
    )
    metrics = {"reward": -value, "gradient_norm": norm}
    return watch_divergence(learner, metrics), metrics


def play(policy: NetworkPolicy, observation: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """The actions [A, B] at observations [O, B]: drawn where there is a key, which is consumed."""
    if key is None:
        return policy.mode(observation)
    draw = policy.head.sample(key, policy.output(observation), policy.parameters)
    return policy.bijector.forward(policy.head.raw_action(draw))


GRADIENT = Algorithm(init, update)
