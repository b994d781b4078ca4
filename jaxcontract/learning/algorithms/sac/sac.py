"""Soft actor-critic (arXiv:1812.05905), in one compiled program.

The actor is any head whose draws have a derivative: a Gaussian, squashed by its Box, or a diffusion, through
all steps of its chain, as in D2SAC (arXiv:2303.13052).
"""

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxcontract.core.protocols import Algorithm, Environment
from jaxcontract.core.pytree import register
from jaxcontract.learning.algorithms.sac.config import SACConfig as SACConfig
from jaxcontract.learning.algorithms.sac.loss import (
    actor_loss,
    critic_loss,
    critic_target,
    follow,
    temperature_loss,
)
from jaxcontract.learning.algorithms.sac.replay import Replay, Transitions, add, draw, make_replay
from jaxcontract.learning.divergence import watch_divergence
from jaxcontract.learning.loop import Metrics
from jaxcontract.learning.networks.initialize import init_network
from jaxcontract.learning.optimizer import Beside, descend, make_optimizer
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.learning.rollout import Trajectory, rollout
from jaxcontract.learning.train_state import TrainState, begin_rounds

register(SACConfig)

NUM_CRITICS = 2
Learned = tuple[dict[str, Any], Any, dict[str, Any]]  # weights, target critics, optimizer states


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SACState(TrainState):
    """Soft actor-critic under way.

    weights: {"actor": {"network", "head"}, "critics": of each one, "log_temperature": []}; the states of the
        optimizers have the same names
    target:  weights of the target critics; None at a discount of 0, where they are not needed
    replay:  the last rounds
    """

    target: Any
    replay: Replay

    @property
    def policy(self) -> NetworkPolicy:
        """What has been learned."""
        return self.make_policy(self.weights["actor"]["network"], self.weights["actor"]["head"])

    def with_policy(self, policy: NetworkPolicy) -> Self:
        """The learner with the network and the head's parameters of another policy; all else stays."""
        actor = {"network": policy.weights, "head": policy.parameters}
        return self.replace_weights({**self.weights, "actor": actor})


def init(key: jax.Array, env: Environment, params: Any, config: SACConfig) -> SACState:
    """A fresh actor and critics, an empty replay buffer, and B environments reset. The key is consumed."""
    key_actor, key_critics, key_start, key_train = jax.random.split(key, 4)
    begun = begin_rounds(key_start, env, params, config)
    num_inputs, num_actions = len(begun["observation"]), begun["bijector"].low.shape[-1]
    network, head = config.network, config.policy_head
    weights: dict[str, Any] = {
        "actor": {
            "network": init_network(network, key_actor, env, num_inputs, head.num_outputs(num_actions)),
            "head": head.init(num_actions),
        },
        "critics": tuple(
            config.critic.init(key, num_inputs + num_actions, 1)
            for key in jax.random.split(key_critics, NUM_CRITICS)
        ),
        "log_temperature": jnp.log(jnp.asarray(config.temperature, float)),
    }
    optimizer_state = {
        name: make_optimizer(config, 0, beside).init(weights[name]) for name, beside in _kinds(config).items()
    }
    return SACState(
        weights=weights,
        optimizer_state=optimizer_state,
        key=key_train,
        target=weights["critics"] if config.discount > 0 else None,
        replay=make_replay(_first_rounds(begun["observation"], num_actions, config), config.buffer_size),
        **begun,
    )


def update(learner: SACState, env: Environment, params: Any, config: SACConfig) -> tuple[SACState, Metrics]:
    """Play one round of each environment, keep it, and learn from what is kept. Metrics are means over it."""
    key, key_rollout, key_draw, key_learn = jax.random.split(learner.key, 4)
    env_state, observation, trajectory = rollout(
        key_rollout, learner.policy, env, params, learner.env_state, learner.observation, 1
    )
    replay = add(learner.replay, make_transitions(learner, trajectory, observation, config))
    minibatches = draw(key_draw, replay, config.gradient_steps, config.minibatch_size)
    (weights, target, optimizer_state), metrics = learn(key_learn, learner, minibatches, config)
    learner = dataclasses.replace(
        learner,
        weights=weights,
        optimizer_state=optimizer_state,
        target=target,
        replay=replay,
        env_state=env_state,
        observation=observation,
        key=key,
        num_updates=learner.num_updates + 1,
    )
    metrics = {"reward": jnp.mean(trajectory.reward), **metrics}
    return watch_divergence(learner, metrics), metrics


def make_transitions(
    learner: SACState, trajectory: Trajectory, following: jax.Array, config: SACConfig
) -> Transitions:
    """A rollout of one round, [1, ..., B], as the critics need it: [..., B].

    following: [O, B]  the observations to act on next, of another episode where one has ended
    """
    played = jax.tree.map(lambda leaf: leaf[0], trajectory)
    ended = played.terminated | played.truncated
    seen = jnp.where(ended, played.final_observation, following)
    looks_ahead = config.discount > 0
    return Transitions(
        observation=learner.normalizer.normalize(played.observation),
        action=learner.bijector.scale(learner.head.raw_action(played.draw)),
        reward=played.reward,
        terminated=played.terminated if looks_ahead else None,
        following=learner.normalizer.normalize(seen) if looks_ahead else None,
    )


def learn(
    key: jax.Array, learner: SACState, minibatches: Transitions, config: SACConfig
) -> tuple[Learned, Metrics]:
    """One gradient step for each minibatch [steps, ..., N], of critics, actor and temperature in turn.

    The key is consumed.
    """

    def gradient_step(learned: Learned, given: tuple[Transitions, jax.Array]) -> tuple[Learned, Metrics]:
        (weights, target, states), (batch, key) = learned, given
        key_next, key_actor = jax.random.split(key)
        wanted = find_target(key_next, learner, weights, target, batch, config)
        critics, of_critics, error = improve_critics(learner, weights, states, batch, wanted, config)
        weights = {**weights, "critics": critics}
        actor, of_actor, metrics = improve_actor(key_actor, learner, weights, states, batch, config)
        log_temperature, of_temperature = tune(learner, weights, states, metrics["entropy"], config)
        weights = {"actor": actor, "critics": critics, "log_temperature": log_temperature}
        states = {"actor": of_actor, "critics": of_critics, "log_temperature": of_temperature}
        target = None if target is None else follow(target, critics, config.target_rate)
        metrics |= {"critic_loss": error, "temperature": jnp.exp(log_temperature)}
        return (weights, target, states), metrics

    keys = jax.random.split(key, config.gradient_steps)
    begun: Learned = (learner.weights, learner.target, learner.optimizer_state)
    learned, metrics = jax.lax.scan(gradient_step, begun, (minibatches, keys))
    return learned, jax.tree.map(jnp.mean, metrics)


def find_target(
    key: jax.Array, learner: SACState, weights: Any, target: Any, batch: Transitions, config: SACConfig
) -> jax.Array:
    """What the critics should say of a minibatch: [N]. The key is consumed."""
    if batch.following is None or batch.terminated is None:
        return batch.reward
    action, entropy = act(key, learner, weights["actor"], batch.following)
    return critic_target(
        batch.reward,
        batch.terminated,
        jnp.min(judge(target, batch.following, action, config), axis=0),
        entropy,
        discount=config.discount,
        temperature=jnp.exp(weights["log_temperature"]),
    )


def improve_critics(
    learner: SACState, weights: Any, states: Any, batch: Transitions, wanted: jax.Array, config: SACConfig
) -> tuple[Any, Any, jax.Array]:
    """A step of the critics towards a target [N]: (their weights, their optimizer's state, the loss)."""

    def loss(critics: Any) -> jax.Array:
        return critic_loss(judge(critics, batch.observation, batch.action, config), wanted)

    error, gradient = jax.value_and_grad(loss)(weights["critics"])
    kind = _kinds(config)["critics"]
    critics, state, _ = descend(
        gradient, weights["critics"], states["critics"], config, learner.num_updates, kind
    )
    return critics, state, error


def improve_actor(
    key: jax.Array, learner: SACState, weights: Any, states: Any, batch: Transitions, config: SACConfig
) -> tuple[Any, Any, Metrics]:
    """A step of the actor up the critics: (its weights, its optimizer's state, metrics).

    The key is consumed.
    """

    def loss(actor: Any) -> tuple[jax.Array, jax.Array]:
        action, entropy = act(key, learner, actor, batch.observation)
        value = jnp.min(judge(weights["critics"], batch.observation, action, config), axis=0)
        return actor_loss(value, entropy, jnp.exp(weights["log_temperature"])), jnp.mean(entropy)

    gradient, entropy = jax.grad(loss, has_aux=True)(weights["actor"])
    gradient = _wait(gradient, learner, config)
    actor, state, norm = descend(gradient, weights["actor"], states["actor"], config, learner.num_updates)
    actor["head"] = learner.head.bound(actor["head"])
    return actor, state, {"entropy": entropy, "gradient_norm": norm}


def tune(
    learner: SACState, weights: Any, states: Any, entropy: jax.Array, config: SACConfig
) -> tuple[jax.Array, Any]:
    """A step of ln α, where it is tuned: (ln α, its optimizer's state). entropy: [], of the actor."""
    log_temperature, state = weights["log_temperature"], states["log_temperature"]
    if not config.tune_temperature:
        return log_temperature, state
    target = config.target_entropy * learner.bijector.low.shape[-1]
    gradient = _wait(jax.grad(temperature_loss)(log_temperature, entropy, target), learner, config)
    kind = _kinds(config)["log_temperature"]
    log_temperature, state, _ = descend(gradient, log_temperature, state, config, learner.num_updates, kind)
    return log_temperature, state


def act(key: jax.Array, learner: SACState, actor: Any, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Actions drawn at normalized observations [O, N], scaled [A, N], and their entropy. The key is consumed.

    The entropy is −ln π(a|s) [N] of a head with a density of the action a, the squashed one's (Appendix C):
    −ln π(x) + Σ ln |da/dx| of the raw action x. A diffusion's has no closed form: there it is the head's own
    estimate [] of the mean over the observations.
    """
    head, parameters, bijector = learner.head, actor["head"], learner.bijector
    output = learner.network.apply(actor["network"], observation)
    drawn = head.sample(key, output, parameters)
    raw = head.raw_action(drawn)
    if drawn.shape == raw.shape:
        entropy = jnp.sum(bijector.log_slope(raw), axis=0) - head.log_prob(drawn, output, parameters)
    else:
        entropy = head.entropy(output, parameters, bijector.log_slope)  # type: ignore[call-arg]
    return bijector.scale(raw), entropy


def judge(critics: Any, observation: jax.Array, action: jax.Array, config: SACConfig) -> jax.Array:
    """Q(s, a) by each critic, [critics, N]: normalized observations [O, N], scaled actions [A, N].

    The critics see an action as its Box has it, not the raw one: raw actions far out are all the same action
    at the end of a Box, and a critic would have to learn that. Unbounded actions are raw.
    """
    inputs = jnp.concatenate([observation, action])
    # One after another: batched matrix products in a scan can wedge XLA's thread pool on a CPU.
    return jnp.stack([config.critic.apply(weights, inputs)[0] for weights in critics])


def _kinds(config: SACConfig) -> dict[str, Beside | None]:
    """What the optimizer is told of each part of the weights."""
    rate = config.critic_learning_rate
    return {
        "actor": None,
        "critics": Beside(rate, config.critic.width),
        "log_temperature": Beside(rate, 1),
    }


def _wait(gradient: Any, learner: SACState, config: SACConfig) -> Any:
    """The gradient, or zeros while the critics learn alone."""
    return jax.tree.map(
        lambda leaf: jnp.where(learner.num_updates < config.first_of_actor, 0.0, leaf), gradient
    )


def _first_rounds(observation: jax.Array, num_actions: int, config: SACConfig) -> Transitions:
    """Rounds of the shapes that are kept: those of the first observations [O, B]."""
    count, looks_ahead = observation.shape[-1], config.discount > 0
    return Transitions(
        observation=observation,
        action=jnp.zeros((num_actions, count)),
        reward=jnp.zeros(count),
        terminated=jnp.zeros(count, bool) if looks_ahead else None,
        following=observation if looks_ahead else None,
    )


SAC = Algorithm(init, update)
