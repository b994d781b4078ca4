"""Proximal policy optimisation: Section IV-B, (14) to (20), Algorithm 1, in one compiled program."""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxcontract.core.protocols import Algorithm, Environment, PolicyHead
from jaxcontract.core.pytree import register
from jaxcontract.learning.algorithms.ppo.advantage import (
    advantages,
    discounted_returns,
    end_episodes,
    group_advantages,
    printed_advantages,
)
from jaxcontract.learning.algorithms.ppo.config import PPOConfig as PPOConfig
from jaxcontract.learning.algorithms.ppo.loss import clipped_surrogate, standardize, value_error
from jaxcontract.learning.algorithms.ppo.minibatches import cut, draw_minibatches
from jaxcontract.learning.algorithms.ppo.return_scale import add_returns, no_returns, to_outputs, to_values
from jaxcontract.learning.derivative_action import Trailing, follow, lead
from jaxcontract.learning.divergence import watch_divergence
from jaxcontract.learning.loop import Metrics
from jaxcontract.learning.networks.initialize import init_network
from jaxcontract.learning.optimizer import descend, make_optimizer, step_size
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.learning.rollout import Trajectory, repeat_each, rollout
from jaxcontract.learning.train_state import TrainState, begin_rounds

register(PPOConfig)

KL_SLACK = 1.5  # of `target_kl`, above which an update ends


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PPOState(TrainState):
    """PPO under way. `weights`: {"actor", "critic", "head"}, the paper's ω.

    With groups of actions there is no critic. returns: what is known of its targets, where it counts in
    their mean and deviation; None where it does not. trailing: of the policy, where there is derivative
    action; None where there is not.
    """

    returns: Any = None
    trailing: Trailing | None = None

    @property
    def policy(self) -> NetworkPolicy:
        """What has been learned."""
        return self.make_policy(self.weights["actor"], self.weights["head"])

    @property
    def trailing_policy(self) -> NetworkPolicy | None:
        """The trailing copy of the policy, where there is one."""
        return None if self.trailing is None else self.make_policy(*self.trailing)

    def with_policy(self, policy: NetworkPolicy) -> Self:
        """The learner with the network and the head's parameters of another policy; all else stays."""
        given = {**self.weights, "actor": policy.weights, "head": policy.parameters}
        return self.replace_weights(given)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Rounds as the objective (20) needs them: [..., N].

    With groups of m actions the observations are [O, N/m], and there is no target.
    """

    observation: jax.Array
    draw: jax.Array
    log_prob: jax.Array
    advantage: jax.Array
    target: jax.Array | None


def init(key: jax.Array, env: Environment, params: Any, config: PPOConfig) -> PPOState:
    """A fresh policy and critic, and B environments reset. The key is consumed.

    Call it under `jit` when the learner is to be donated: outside, an environment may hand out one
    array twice.
    """
    key_actor, key_critic, key_start, key_train = jax.random.split(key, 4)
    begun = begin_rounds(key_start, env, params, config)
    network, head = config.network, config.policy_head
    num_inputs, num_actions = len(begun["observation"]), begun["bijector"].low.shape[-1]
    weights = {
        "actor": init_network(network, key_actor, env, num_inputs, head.num_outputs(num_actions)),
        "head": head.init(num_actions),
    }
    if config.group_size == 1:
        weights["critic"] = init_network(network, key_critic, env, num_inputs, 1)
    optimizer_state = make_optimizer(config, 0).init(weights)
    return PPOState(
        weights=weights,
        optimizer_state=optimizer_state,
        key=key_train,
        returns=no_returns() if config.normalize_returns else None,
        trailing=Trailing(weights["actor"], weights["head"]) if config.derivative_gain else None,
        **begun,
    )


def update(learner: PPOState, env: Environment, params: Any, config: PPOConfig) -> tuple[PPOState, Metrics]:
    """One PPO iteration: collect rounds, judge them, learn from them. Metrics are means over it."""
    key, key_rollout, *key_draw = jax.random.split(learner.key, 2 if config.partition == "fixed" else 3)
    env_state, observation, trajectory = rollout(
        key_rollout,
        _playing(learner.policy),
        env,
        params,
        learner.env_state,
        learner.observation,
        config.num_steps,
        config.group_size,
        None if learner.trailing_policy is None else _playing(learner.trailing_policy),
    )
    batch = make_batch(learner, trajectory, observation, config)
    if learner.returns is not None and batch.target is not None:
        learner = dataclasses.replace(learner, returns=add_returns(learner.returns, batch.target))
    weights, optimizer_state, metrics = learn(learner, batch, config, *key_draw)
    learner = dataclasses.replace(
        learner,
        weights=weights,
        trailing=follow_weights(learner, weights, config),
        optimizer_state=optimizer_state,
        env_state=env_state,
        observation=observation,
        key=key,
        num_updates=learner.num_updates + 1,
    )
    metrics = {"reward": jnp.mean(trajectory.reward), **metrics}
    return watch_divergence(learner, metrics), metrics


def make_batch(learner: PPOState, trajectory: Trajectory, following: jax.Array, config: PPOConfig) -> Batch:
    """Advantages and critic's targets of a rollout, cut into minibatches: fields [minibatches, ..., N].

    following: [O, B]  the observations after the last round

    Where minibatches are drawn anew in each pass, fields are [T, ..., B].
    """
    advantage, target = judge(learner, trajectory, following, config)
    batch = Batch(
        observation=jax.vmap(learner.normalizer.normalize)(trajectory.observation),
        draw=trajectory.draw,
        log_prob=trajectory.log_prob,
        advantage=advantage,
        target=target,
    )
    if config.partition != "fixed":
        return batch
    return jax.tree.map(lambda leaf: cut(leaf, config.minibatches), batch)


def judge(
    learner: PPOState, trajectory: Trajectory, following: jax.Array, config: PPOConfig
) -> tuple[jax.Array, jax.Array | None]:
    """Advantages of a rollout and the critic's targets, [T, B] each; no targets where there is no critic."""
    reward = trajectory.reward
    if trajectory.earlier_reward is not None:
        reward = lead(reward, trajectory.earlier_reward, config.derivative_gain)
    if config.group_size > 1:
        return group_advantages(reward, config.group_size), None
    value = _values(learner, trajectory.observation)
    if config.estimator == "paper":
        discount = jnp.where(trajectory.terminated, 0.0, config.discount)
        advantage = printed_advantages(reward, discount, value)
        target = discounted_returns(reward, discount)
    else:
        is_cut = config.discount * jnp.any(trajectory.truncated) > 0
        reward, discount = end_episodes(
            reward,
            trajectory.terminated,
            trajectory.truncated,
            _values_if(is_cut, learner, trajectory.final_observation),
            discount=config.discount,
        )
        bootstrap = _values_if(jnp.asarray(config.discount) > 0, learner, following[None])
        value = jnp.concatenate([value, bootstrap])
        advantage = advantages(reward, discount, value, gae_lambda=config.gae_lambda)
        target = advantage + value[:-1]
    return advantage, target


def learn(
    learner: PPOState, batch: Batch, config: PPOConfig, key: jax.Array | None = None
) -> tuple[Any, Any, Metrics]:
    """X passes of gradient steps on (20): (weights, optimizer_state, metrics).

    key: for minibatches that are drawn anew in each pass; consumed

    With a `target_kl` no step is made from the first minibatch on whose kl is more than 1.5 times that, as
    stable-baselines3 does. "left_out" is then the share of steps that were not made.
    """

    def gradient_step(carry, minibatch):
        weights, optimizer_state = carry
        gradient, metrics = jax.grad(_loss, has_aux=True)(weights, learner, minibatch, config)
        weights, optimizer_state, metrics["gradient_norm"] = descend(
            gradient, weights, optimizer_state, config, learner.num_updates
        )
        weights["head"] = learner.head.bound(weights["head"])
        return (weights, optimizer_state), metrics

    def bounded_step(carry, minibatch):
        before, has_ended = carry
        after, metrics = gradient_step(before, minibatch)
        # A kl that is no number has run away as well.
        has_ended |= ~(metrics["kl"] <= KL_SLACK * config.target_kl)
        kept = jax.tree.map(lambda old, new: jnp.where(has_ended, old, new), before, after)
        return (kept, has_ended), {**metrics, "left_out": has_ended.astype(float)}

    carry: Any = (learner.weights, learner.optimizer_state)
    step: Callable[..., Any] = gradient_step
    if config.target_kl:
        carry, step = (carry, jnp.asarray(False)), bounded_step

    def epoch(carry, key):
        minibatches = batch
        if key is not None:
            minibatches = draw_minibatches(key, batch, config.partition, config.minibatches)
        return jax.lax.scan(step, carry, minibatches)

    keys = None if key is None else jax.random.split(key, config.epochs)
    carry, metrics = jax.lax.scan(epoch, carry, keys, length=config.epochs)
    weights, optimizer_state = carry[0] if config.target_kl else carry
    metrics = jax.tree.map(jnp.mean, metrics)
    # Where there is no bonus no step has asked for it: it is that of the new policy.
    if _estimates_entropy(learner.head):
        output = learner.network.apply(weights["actor"], batch.observation[0])
        metrics["entropy"] = learner.head.entropy(output, weights["head"])
    return weights, optimizer_state, metrics


def _loss(weights: Any, learner: PPOState, batch: Batch, config: PPOConfig) -> tuple[jax.Array, Metrics]:
    """−(L_C − c L_V + entropy bonus) over one minibatch  (20)."""
    network, head = learner.network, learner.head
    output = repeat_each(network.apply(weights["actor"], batch.observation), config.group_size)
    log_ratio = thinned(head).log_prob(batch.draw, output, weights["head"]) - batch.log_prob
    advantage = standardize(batch.advantage) if config.normalize_advantages else batch.advantage
    surrogate = clipped_surrogate(log_ratio, advantage, config.clip_range)
    bonus_weight = entropy_weight(config, learner.num_updates)
    entropy = _entropy_for(bonus_weight, head, output, weights["head"])
    objective = surrogate + bonus_weight * entropy
    metrics = {
        "surrogate": surrogate,
        "entropy": entropy,
        "kl": jnp.mean(jnp.expm1(log_ratio) - log_ratio),
        "clipped": jnp.mean(jnp.abs(jnp.expm1(log_ratio)) > config.clip_range),
    }
    if batch.target is not None:
        (value,) = network.apply(weights["critic"], batch.observation)
        metrics["value_error"] = value_error(value, to_outputs(learner.returns, batch.target))
        objective -= config.value_coefficient * metrics["value_error"]
    return -objective, metrics


def thinned(head: PolicyHead) -> Any:
    """The head by which rounds are played and learned from: of one whose draws are long, a part of them."""
    return getattr(head, "thinned", head)


def _playing(policy: NetworkPolicy) -> NetworkPolicy:
    """The policy with the head by which it plays."""
    return dataclasses.replace(policy, head=thinned(policy.head))


def _estimates_entropy(head: PolicyHead) -> bool:
    """Whether the head's entropy takes long."""
    return getattr(head, "estimates_entropy", False)


def _entropy_for(weight: Any, head: PolicyHead, output: jax.Array, parameters: Any) -> jax.Array:
    """The entropy for a bonus of this weight. Where it is estimated and the weight is 0: 0, to save time."""
    if not _estimates_entropy(head):
        return head.entropy(output, parameters)
    return jax.lax.cond(weight > 0, lambda: head.entropy(output, parameters), lambda: jnp.zeros(()))


def follow_weights(learner: PPOState, weights: Any, config: PPOConfig) -> Trailing | None:
    """The trailing copy after an update to these weights; slower where the policy's steps are smaller."""
    if learner.trailing is None:
        return None
    rate = config.trailing_rate * step_size(config, learner.num_updates) / config.learning_rate
    return follow(learner.trailing, Trailing(weights["actor"], weights["head"]), rate)


def entropy_weight(config: PPOConfig, num_updates: jax.Array) -> Any:
    """The weight of the entropy bonus in the update that follows so many."""
    if config.final_entropy_share == 1.0:
        return config.entropy_coefficient
    progress = jnp.minimum(1.0, num_updates / max(1, config.num_updates - 1))
    return config.entropy_coefficient * (1.0 - (1.0 - config.final_entropy_share) * progress)


def _values(learner: PPOState, observation: jax.Array) -> jax.Array:
    """V(s)  (14), one round of all environments after another: [T, O, B] → [T, B]."""

    def value(observation):
        inputs = learner.normalizer.normalize(observation)
        return to_values(learner.returns, learner.network.apply(learner.weights["critic"], inputs)[0])

    return jax.lax.map(value, observation)


def _values_if(needed: jax.Array, learner: PPOState, observation: jax.Array) -> jax.Array:
    """V, or zeros where nothing depends on it: at a discount of 0, or when no episode was cut.

    At the default discount, 0, this saves as much as the rollout's network costs.
    """
    return jax.lax.cond(
        needed,
        lambda: _values(learner, observation),
        lambda: jnp.zeros((observation.shape[0], observation.shape[-1])),
    )


PPO = Algorithm(init, update)
