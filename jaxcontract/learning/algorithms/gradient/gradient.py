"""Learning without reinforcement: climb the slope of the reward itself, where an environment has one."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.pytree import register
from jaxcontract.learning.algorithms.gradient.config import GradientConfig as GradientConfig
from jaxcontract.learning.divergence import never, watched
from jaxcontract.learning.loop import Algorithm, Carried, Metrics
from jaxcontract.learning.optimizer import descend, init_optimizer
from jaxcontract.learning.policies.gaussian import LOG_STD_RANGE, Frame, Perceptron, Policy, make_frame
from jaxcontract.learning.rollout import start, step

register(GradientConfig)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GradientLearner(Carried):
    """The climb under way. `weights`: the policy's network."""

    @property
    def policy(self) -> Policy:
        """What has been learned; the actions drawn from it are its mode, but for a hair."""
        return _policy(self.weights, self.frame, self.hidden_sizes)


def init_learner(key: jax.Array, env: Any, params: Any, config: GradientConfig) -> GradientLearner:
    """A fresh policy, and B environments reset. The key is consumed."""
    key_weights, key_start, key_train = jax.random.split(key, 3)
    frame = make_frame(env.observation_space(params), env.action_space(params))
    env_state, observation = start(key_start, env, params, config.num_envs)
    weights = Perceptron(config.hidden_sizes, frame.low.shape[-1]).init(key_weights, observation[:, :1])
    return GradientLearner(
        weights=weights,
        optimizer_state=init_optimizer(weights),
        env_state=env_state,
        observation=observation,
        key=key_train,
        num_updates=jnp.asarray(0),
        divergence=never(),
        frame=frame,
        hidden_sizes=config.hidden_sizes,
    )


def update(
    learner: GradientLearner, env: Any, params: Any, config: GradientConfig
) -> tuple[GradientLearner, Metrics]:
    """One step up ∇_ω E R(s, π_ω(s)), the expectation over B rounds played with the mode.

    The derivative goes through the environment's own reward, so no critic, no ratio and no noise is
    needed. It sees one round ahead: what an action does to later rounds is ignored, which is exact
    where, as in (11), the next state does not depend on the action.
    """
    key, key_env = jax.random.split(learner.key)

    def loss(weights):
        policy = _policy(weights, learner.frame, learner.hidden_sizes)
        action = policy.mode(learner.observation)
        observation, env_state, reward, *_ = step(key_env, env, params, learner.env_state, action)
        return -jnp.mean(reward), (observation, env_state)

    gradient_of = jax.value_and_grad(loss, has_aux=True)
    (value, (observation, env_state)), gradient = gradient_of(learner.weights)
    weights, optimizer_state, norm = descend(
        gradient, learner.weights, learner.optimizer_state, config, learner.num_updates
    )
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
    return watched(learner, metrics), metrics


def _policy(weights: Any, frame: Frame, hidden_sizes: tuple[int, ...]) -> Policy:
    log_std = jnp.full_like(frame.low, LOG_STD_RANGE[0])
    return Policy(weights=weights, log_std=log_std, frame=frame, hidden_sizes=hidden_sizes)


GRADIENT = Algorithm(init_learner, update)
