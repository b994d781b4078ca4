"""The networks: a Gaussian policy over a Box of actions, and a critic, both seeing scaled observations.

Features lie along axis 0, and rounds behind them. So the sums over rounds that give a weight's gradient
run along contiguous memory: on a CPU the update takes three quarters of what it takes the other way round.
"""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcontract.core.pytree import register
from jaxcontract.learning.config import LOG_STD_RANGE as LOG_STD_RANGE

FAR = 1e9  # some environments write "unbounded" as the largest float


class Dense(nn.Module):
    """What flax's `nn.Dense` does along the last axis, along the first: [O, ...] → [A, ...]."""

    num_outputs: int
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        kernel = self.param("kernel", self.kernel_init, (inputs.shape[0], self.num_outputs))
        bias = self.param("bias", nn.initializers.zeros, (self.num_outputs,))
        product = jnp.tensordot(kernel, inputs, axes=(0, 0))
        return product + _like(bias, product)


class Perceptron(nn.Module):
    """Dense layers with tanh between them; the last one starts near zero.

    hidden_sizes: units of each hidden layer; num_outputs: A. Maps [O, ...] to [A, ...].
    """

    hidden_sizes: tuple[int, ...]
    num_outputs: int

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        hidden = inputs
        for size in self.hidden_sizes:
            hidden = nn.tanh(Dense(size)(hidden))
        near_zero = nn.initializers.variance_scaling(1e-4, "fan_in", "truncated_normal")
        return Dense(self.num_outputs, kernel_init=near_zero)(hidden)


def forward(network: nn.Module, weights: Any, inputs: jax.Array) -> jax.Array:
    """A network's output [A, ...] for inputs [O, ...]."""
    output: Any = network.apply(weights, inputs)
    return output


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """How the numbers of an environment become those of a network, and back.

    center, width:  [O]  observations are scaled to (o − center)/width, in [−1, 1] where bounded
    low, high:      [A]  the Box of actions; infinite where unbounded

    The scaling is fixed by the observation space, so it is part of the policy and never drifts.
    """

    center: jax.Array
    width: jax.Array
    low: jax.Array
    high: jax.Array

    def scale(self, observation: jax.Array) -> jax.Array:
        """[O, ...] → [O, ...]."""
        return (observation - _like(self.center, observation)) / _like(self.width, observation)

    def action(self, raw: jax.Array) -> jax.Array:
        """[A, ...] → [A, ...]: into the Box, by a sigmoid between two bounds, a softplus from one.

        A bijection, so densities of the raw action serve in the ratio (18): the Jacobian cancels.
        """
        low, high = _like(self.low, raw), _like(self.high, raw)
        from_low, from_high = jnp.isfinite(low), jnp.isfinite(high)
        start, end = jnp.where(from_low, low, 0.0), jnp.where(from_high, high, 0.0)
        between = start + (end - start) * jax.nn.sigmoid(raw)
        above, below = start + jax.nn.softplus(raw), end - jax.nn.softplus(-raw)
        one_sided = jnp.where(from_low, above, jnp.where(from_high, below, raw))
        return jnp.where(from_low & from_high, between, one_sided)


def _like(column: jax.Array, batch: jax.Array) -> jax.Array:
    """[F] → [F, 1, …], to go with a batch [F, ...]."""
    return jnp.reshape(column, column.shape + (1,) * (batch.ndim - 1))


def make_frame(observation_space: Any, action_space: Any) -> Frame:
    """The frame of two Boxes.

    An observation with two bounds is scaled to [−1, 1], or to 0 where they coincide; any other is
    left as it is.
    """
    low, high = box_bounds(observation_space)
    bounded = jnp.isfinite(low) & jnp.isfinite(high)
    low, high = jnp.where(bounded, low, 0.0), jnp.where(bounded, high, 0.0)
    action_low, action_high = box_bounds(action_space)
    return Frame(
        center=0.5 * (low + high),
        width=jnp.where(high > low, 0.5 * (high - low), 1.0),
        low=action_low,
        high=action_high,
    )


def box_bounds(space: Any) -> tuple[jax.Array, jax.Array]:
    """The bounds of a Box, [O] each; infinite where they are so far off that they bound nothing."""
    low, high = (
        jnp.broadcast_to(jnp.asarray(bound, float), space.shape) for bound in (space.low, space.high)
    )
    return jnp.where(low < -FAR, -jnp.inf, low), jnp.where(high > FAR, jnp.inf, high)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Policy:
    """π_ω: a diagonal Gaussian around a network's output, its deviation the same in every state.

    Call it on an observation [..., O] for the mode, the action [..., A] to use after training; one of
    another length is a ValueError. Its methods `mean` and `mode` take features first.

    weights:      of the network, in flax's form
    log_std:      [A]  ln of the deviation, of an action before it is bounded
    frame:        how observations are scaled and actions bounded
    hidden_sizes: units of each hidden layer
    """

    weights: Any
    log_std: jax.Array
    frame: Frame
    hidden_sizes: tuple[int, ...] = dataclasses.field(metadata={"static": True})

    def __call__(self, observation: Any) -> jax.Array:
        return jnp.moveaxis(self.mode(self._features_first(observation)), 0, -1)

    def sample(self, key: jax.Array, observation: Any) -> jax.Array:
        """An action [..., A] drawn from the policy at an observation [..., O]. The key is consumed."""
        mean = self.mean(self._features_first(observation))
        return jnp.moveaxis(self.frame.action(gaussian_sample(key, mean, self.log_std)), 0, -1)

    def mode(self, observation: jax.Array) -> jax.Array:
        """The action [A, ...] of the Gaussian's mean at an observation [O, ...]."""
        return self.frame.action(self.mean(observation))

    def mean(self, observation: jax.Array) -> jax.Array:
        """The Gaussian's mean [A, ...] at an observation [O, ...], before the frame maps it into the Box."""
        network = Perceptron(self.hidden_sizes, self.log_std.shape[-1])
        return forward(network, self.weights, self.frame.scale(observation))

    def _features_first(self, observation: Any) -> jax.Array:
        """[..., O] → [O, ...], if these are observations of this policy's length."""
        wanted = self.frame.center.shape[-1]
        try:
            observation = jnp.asarray(observation)
        except TypeError:
            kind = type(observation).__name__
            raise ValueError(
                f"Policy: must be called with observations, numbers [..., {wanted}], not with a {kind}"
            ) from None
        if observation.shape[-1:] != (wanted,):
            raise ValueError(f"Policy: an observation of shape {observation.shape}: must be [..., {wanted}]")
        return jnp.moveaxis(observation, -1, 0)


def gaussian_sample(key: jax.Array, mean: jax.Array, log_std: jax.Array) -> jax.Array:
    """mean + std · ε, ε standard normal, shape [A, ...]. The key is consumed."""
    return mean + _like(jnp.exp(log_std), mean) * jax.random.normal(key, mean.shape)


def gaussian_log_prob(value: jax.Array, mean: jax.Array, log_std: jax.Array) -> jax.Array:
    """ln of the density at `value` [A, ...] of independent normals. Returns [...]."""
    scaled = (value - mean) * _like(jnp.exp(-log_std), mean)
    constant = jnp.sum(log_std) + 0.5 * math.log(2 * math.pi) * log_std.shape[-1]
    return -0.5 * jnp.sum(scaled**2, axis=0) - constant


def gaussian_entropy(log_std: jax.Array) -> jax.Array:
    """Σ (ln std + ln(2πe)/2) over [A]. Returns []."""
    return jnp.sum(log_std + 0.5 * math.log(2 * math.pi * math.e))
