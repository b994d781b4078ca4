"""A policy that is a network with a head: what learners learn."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.protocols import Network, PolicyHead
from jaxcontract.core.pytree import register
from jaxcontract.learning.boxes import ActionBijector, ObservationNormalizer


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NetworkPolicy:
    """π_ω: a network's output at a normalized observation, and a head that says what it means. A `Policy`.

    Call it on an observation [..., O] for the mode, the action [..., A] to use after training; one of
    another length is a ValueError. Its methods `output` and `mode` take features first.

    weights:    of the network
    parameters: of the head, such as the deviation of a Gaussian
    normalizer: how observations are scaled
    bijector:   how raw actions are brought into their Box
    network:    the function that has the weights
    head:       what its output says of an action
    """

    weights: Any
    parameters: Any
    normalizer: ObservationNormalizer
    bijector: ActionBijector
    network: Network = dataclasses.field(metadata={"static": True})
    head: PolicyHead = dataclasses.field(metadata={"static": True})

    def __repr__(self) -> str:
        count = sum(np.size(leaf) for leaf in jax.tree.leaves((self.weights, self.parameters)))
        sizes = f"num_inputs={np.shape(self.normalizer.center)[-1]}, num_parameters={count}"
        return f"NetworkPolicy({sizes}, network={self.network}, head={self.head})"

    def __call__(self, observation: Any) -> jax.Array:
        return jnp.moveaxis(self.mode(self._features_first(observation)), 0, -1)

    def sample(self, key: jax.Array, observation: Any) -> jax.Array:
        """An action [..., A] drawn from the policy at an observation [..., O]. The key is consumed."""
        draw = self.head.sample(key, self.output(self._features_first(observation)), self.parameters)
        return jnp.moveaxis(self.bijector.forward(self.head.raw_action(draw)), 0, -1)

    def mode(self, observation: jax.Array) -> jax.Array:
        """The action [A, ...] to use at an observation [O, ...]."""
        return self.bijector.forward(self.head.mode(self.output(observation), self.parameters))

    def output(self, observation: jax.Array) -> jax.Array:
        """The network's output at an observation [O, ...]."""
        output: jax.Array = self.network.apply(self.weights, self.normalizer.normalize(observation))
        return output

    def _features_first(self, observation: Any) -> jax.Array:
        """[..., O] → [O, ...], if these are observations of this policy's length."""
        wanted = self.normalizer.center.shape[-1]
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
