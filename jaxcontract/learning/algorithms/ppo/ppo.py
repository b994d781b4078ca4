"""Proximal policy optimisation: Section IV-B, (14) to (20), Algorithm 1, in one compiled program."""

import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp

from jaxcontract.core.fields import check_key, refuse
from jaxcontract.core.pytree import register
from jaxcontract.learning.algorithms.ppo.advantage import (
    advantages,
    discounted_returns,
    end_episodes,
    printed_advantages,
)
from jaxcontract.learning.algorithms.ppo.config import PPOConfig as PPOConfig
from jaxcontract.learning.algorithms.ppo.loss import clipped_surrogate, standardize, value_error
from jaxcontract.learning.divergence import never, watched
from jaxcontract.learning.loop import Algorithm, Carried, Metrics, repeat
from jaxcontract.learning.optimizer import descend, init_optimizer
from jaxcontract.learning.policies.gaussian import (
    LOG_STD_RANGE,
    Perceptron,
    Policy,
    forward,
    gaussian_entropy,
    gaussian_log_prob,
    make_frame,
)
from jaxcontract.learning.rollout import Rounds, rollout, start

register(PPOConfig)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Learner(Carried):
    """PPO under way: all that the next update needs, a pytree. `policy` is what has been learned.

    weights:         {"actor", "critic", "log_std"}, the paper's ω
    optimizer_state: Adam's, of optax
    env_state:       [..., B]  the rounds under way
    observation:     [O, B]    what the policy sees of them
    key:             for all further draws
    num_updates:     []        updates made so far
    divergence:      [2]       the first update after which something was not finite, and what
    frame:           how observations are scaled and actions bounded
    hidden_sizes:    units of each hidden layer
    """

    @property
    def policy(self) -> Policy:
        """What has been learned."""
        return _policy(self.weights, self)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Rounds as the objective (20) needs them: [..., N]."""

    observation: jax.Array
    raw_action: jax.Array
    log_prob: jax.Array
    advantage: jax.Array
    target: jax.Array


def train(key: jax.Array, env: Any, params: Any, config: PPOConfig) -> tuple[Learner, Metrics]:
    """Train one policy from scratch: (learner, metrics), each metric [num_updates].

    env:    anything with gymnax's `reset`, `step`, `observation_space` and `action_space` (a Box each)
            whose info has `final_observation`; hashable, so `jit` can take it as static
    params: the env's, such as `env.default_params`
    config: a `PPOConfig`

    Raises:
        ValueError: when one of them is of another kind, such as two exchanged.

    (14) to (20), Algorithm 1. Pure and unjitted: `jax.jit(train, static_argnames="env")`. The key is
    consumed.

    >>> import jaxcontract as jc
    >>> env = jc.ContractEnv()
    >>> train = jax.jit(jc.train, static_argnames="env")
    >>> config = jc.PPOConfig(num_updates=2, num_envs=64)
    >>> learner, metrics = train(jax.random.key(0), env, env.default_params, config)
    >>> int(learner.num_updates), metrics["reward"].shape
    (2, (2,))
    """
    check_key("train", key)
    if not hasattr(env, "observation_space"):
        raise refuse("train", "env", env, "an environment of gymnax's shape, such as ContractEnv()")
    if not isinstance(config, PPOConfig):
        raise refuse("train", "config", config, "a PPOConfig")
    learner = init_learner(key, env, params, config)
    return train_for(learner, env, params, config, config.num_updates)


def train_for(
    learner: Learner, env: Any, params: Any, config: PPOConfig, num_updates: int
) -> tuple[Learner, Metrics]:
    """Make some more updates: (learner, metrics), each metric [num_updates]."""

    def body(learner, _):
        return update(learner, env, params, config)

    return jax.lax.scan(body, learner, length=num_updates)


def advance(
    learner: Learner, env: Any, params: Any, config: PPOConfig, count: jax.Array | int
) -> tuple[Learner, Metrics]:
    """Make `count` more updates: (learner, the mean of each metric over them); see `repeat`."""
    return repeat(update, learner, env, params, config, count)


def init_learner(key: jax.Array, env: Any, params: Any, config: PPOConfig) -> Learner:
    """A fresh policy and critic, and B environments reset. The key is consumed.

    Call it under `jit` when the learner is to be donated: outside, an environment may hand out one
    array twice.
    """
    key_actor, key_critic, key_start, key_train = jax.random.split(key, 4)
    frame = make_frame(env.observation_space(params), env.action_space(params))
    env_state, observation = start(key_start, env, params, config.num_envs)
    num_actions = frame.low.shape[-1]
    weights = {
        "actor": Perceptron(config.hidden_sizes, num_actions).init(key_actor, observation[:, :1]),
        "critic": Perceptron(config.hidden_sizes, 1).init(key_critic, observation[:, :1]),
        "log_std": jnp.full(num_actions, jnp.log(config.initial_std)),
    }
    return Learner(
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


def with_policy(learner: Learner, policy: Policy) -> Learner:
    """The learner with the network and the deviation of another policy, copied; all else stays as it is.

    policy: of the learner's sizes, for observations and actions in its frame
    """
    given = {**learner.weights, "actor": policy.weights, "log_std": policy.log_std}
    chex.assert_trees_all_equal_shapes(learner.weights, given)
    weights = jax.tree.map(lambda like, leaf: jnp.array(leaf, like.dtype), learner.weights, given)
    return dataclasses.replace(learner, weights=weights)


def update(learner: Learner, env: Any, params: Any, config: PPOConfig) -> tuple[Learner, Metrics]:
    """One PPO iteration: collect rounds, judge them, learn from them. Metrics are means over it."""
    key, key_rollout = jax.random.split(learner.key)
    env_state, observation, rounds = rollout(
        key_rollout,
        learner.policy,
        env,
        params,
        learner.env_state,
        learner.observation,
        config.num_steps,
    )
    batch = make_batch(learner, rounds, observation, config)
    weights, optimizer_state, metrics = learn(learner, batch, config)
    learner = dataclasses.replace(
        learner,
        weights=weights,
        optimizer_state=optimizer_state,
        env_state=env_state,
        observation=observation,
        key=key,
        num_updates=learner.num_updates + 1,
    )
    metrics = {"reward": jnp.mean(rounds.reward), **metrics}
    return watched(learner, metrics), metrics


def make_batch(learner: Learner, rounds: Rounds, following: jax.Array, config: PPOConfig) -> Batch:
    """Advantages and critic's targets of a rollout, cut into minibatches: fields [minibatches, ..., N].

    following: [O, B]  the observations after the last round
    """
    value = _values(learner, rounds.observation)
    if config.estimator == "paper":
        discount = jnp.where(rounds.terminated, 0.0, config.discount)
        advantage = printed_advantages(rounds.reward, discount, value)
        target = discounted_returns(rounds.reward, discount)
    else:
        reward, discount = end_episodes(
            rounds.reward,
            rounds.terminated,
            rounds.truncated,
            _values_if(config.discount * jnp.any(rounds.truncated) > 0, learner, rounds.final_observation),
            discount=config.discount,
        )
        bootstrap = _values_if(jnp.asarray(config.discount) > 0, learner, following[None])
        value = jnp.concatenate([value, bootstrap])
        advantage = advantages(reward, discount, value, gae_lambda=config.gae_lambda)
        target = advantage + value[:-1]
    batch = Batch(
        observation=jax.vmap(learner.frame.scale)(rounds.observation),
        raw_action=rounds.raw_action,
        log_prob=rounds.log_prob,
        advantage=advantage,
        target=target,
    )
    return jax.tree.map(lambda leaf: _cut(leaf, config.minibatches), batch)


def _cut(leaf: jax.Array, minibatches: int) -> jax.Array:
    """[T, ..., B] → [minibatches, ..., T · B/minibatches], each environment in one minibatch only.

    Environments are independent and the rounds fresh, so a fixed partition is as good as a shuffle,
    which costs as much as an epoch.
    """
    length, *features, count = leaf.shape
    leaf = leaf.reshape(length, *features, minibatches, count // minibatches)
    leaf = jnp.moveaxis(leaf, (-2, 0), (0, -2))  # [minibatches, ..., T, B/minibatches]
    return leaf.reshape(minibatches, *features, length * count // minibatches)


def learn(learner: Learner, batch: Batch, config: PPOConfig) -> tuple[Any, Any, Metrics]:
    """X passes of gradient steps on (20): (weights, optimizer_state, metrics)."""

    def gradient_step(carry, minibatch):
        weights, optimizer_state = carry
        gradient, metrics = jax.grad(_loss, has_aux=True)(weights, learner, minibatch, config)
        weights, optimizer_state, metrics["gradient_norm"] = descend(
            gradient, weights, optimizer_state, config, learner.num_updates
        )
        weights["log_std"] = jnp.clip(weights["log_std"], *LOG_STD_RANGE)
        return (weights, optimizer_state), metrics

    def epoch(carry, _):
        return jax.lax.scan(gradient_step, carry, batch)

    carry = learner.weights, learner.optimizer_state
    (weights, optimizer_state), metrics = jax.lax.scan(epoch, carry, length=config.epochs)
    return weights, optimizer_state, jax.tree.map(jnp.mean, metrics)


def _loss(weights: Any, learner: Learner, batch: Batch, config: PPOConfig) -> tuple[jax.Array, Metrics]:
    """−(L_C − c L_V + entropy bonus) over one minibatch  (20)."""
    network = Perceptron(learner.hidden_sizes, batch.raw_action.shape[0])
    mean = forward(network, weights["actor"], batch.observation)
    log_ratio = gaussian_log_prob(batch.raw_action, mean, weights["log_std"]) - batch.log_prob
    advantage = standardize(batch.advantage) if config.normalize_advantages else batch.advantage
    surrogate = clipped_surrogate(log_ratio, advantage, config.clip_range)
    (value,) = forward(Perceptron(learner.hidden_sizes, 1), weights["critic"], batch.observation)
    error = value_error(value, batch.target)
    entropy = gaussian_entropy(weights["log_std"])
    objective = surrogate - config.value_coefficient * error + config.entropy_coefficient * entropy
    metrics = {
        "surrogate": surrogate,
        "value_error": error,
        "entropy": entropy,
        "kl": jnp.mean(jnp.expm1(log_ratio) - log_ratio),
        "clipped": jnp.mean(jnp.abs(jnp.expm1(log_ratio)) > config.clip_range),
    }
    return -objective, metrics


def _values(learner: Learner, observation: jax.Array) -> jax.Array:
    """V(s)  (14), one round of all environments after another: [T, O, B] → [T, B]."""
    critic = Perceptron(learner.hidden_sizes, 1)

    def value(observation):
        return forward(critic, learner.weights["critic"], learner.frame.scale(observation))[0]

    return jax.lax.map(value, observation)


def _values_if(needed: jax.Array, learner: Learner, observation: jax.Array) -> jax.Array:
    """V, or zeros where nothing depends on it: at a discount of 0, or when no episode was cut.

    At the default discount, 0, this saves as much as the rollout's network costs.
    """
    return jax.lax.cond(
        needed,
        lambda: _values(learner, observation),
        lambda: jnp.zeros((observation.shape[0], observation.shape[-1])),
    )


def _policy(weights: Any, learner: Learner) -> Policy:
    return Policy(
        weights=weights["actor"],
        log_std=weights["log_std"],
        frame=learner.frame,
        hidden_sizes=learner.hidden_sizes,
    )


PPO = Algorithm(init_learner, update)
