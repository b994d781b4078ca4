"""A learner of its own: keep a random change of the weights when the rounds played with it earn more."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

import jaxcontract as jc
from jaxcontract.core.fields import number
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.divergence import watch_divergence
from jaxcontract.learning.rollout import step
from jaxcontract.learning.train_state import TrainState, begin_rounds


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomSearchConfig(LearnerConfig):
    """What it is told: how large its changes are."""

    algorithm: ClassVar[str] = "toy_learner:RANDOM_SEARCH"

    learning_rate: float = number(0.3, "deviation of a change of a weight", low=0, above=True)


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RandomSearchState(TrainState):
    """`weights`: the policy's network."""

    @property
    def policy(self):
        return self.make_policy(self.weights, self.head.init_certain(self.bijector.low.shape[-1]))

    def with_policy(self, policy):
        return self.replace_weights(policy.weights)


def init(key, env, params, config):
    key_weights, key_start, key_train = jax.random.split(key, 3)
    begun = begin_rounds(key_start, env, params, config)
    num_actions = begun["bijector"].low.shape[-1]
    num_outputs = config.policy_head.num_outputs(num_actions)
    weights = config.network.init(key_weights, len(begun["observation"]), num_outputs)
    return RandomSearchState(weights=weights, optimizer_state=(), key=key_train, **begun)


def update(learner, env, params, config):
    key, key_change, key_env = jax.random.split(learner.key, 3)
    leaves, structure = jax.tree.flatten(learner.weights)
    keys = jax.random.split(key_change, len(leaves))
    moved = [
        leaf + config.learning_rate * jax.random.normal(one, leaf.shape)
        for leaf, one in zip(leaves, keys, strict=True)
    ]
    tried = jax.tree.unflatten(structure, moved)

    def play(weights):
        action = dataclasses.replace(learner, weights=weights).policy.mode(learner.observation)
        return step(key_env, env, params, learner.env_state, action)

    observation, env_state, reward, *_ = play(tried)
    usual = play(learner.weights)[2]
    better = jnp.mean(reward) > jnp.mean(usual)
    learner = dataclasses.replace(
        learner,
        weights=jax.tree.map(lambda new, old: jnp.where(better, new, old), tried, learner.weights),
        observation=observation,
        env_state=env_state,
        key=key,
        num_updates=learner.num_updates + 1,
    )
    metrics = {"reward": jnp.maximum(jnp.mean(reward), jnp.mean(usual)), "gradient_norm": jnp.asarray(0.0)}
    return watch_divergence(learner, metrics), metrics


RANDOM_SEARCH = jc.Algorithm(init, update)
