"""What every learner carries from update to update: enough to go on exactly where it stopped."""

import dataclasses
from typing import Any, Self

import chex
import jax
import jax.numpy as jnp

from jaxcontract.core.item_layout import find_item_layout
from jaxcontract.core.protocols import Environment, Network, PolicyHead
from jaxcontract.learning.boxes import ActionBijector, ObservationNormalizer, make_bijector, make_normalizer
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.divergence import never
from jaxcontract.learning.networks.initialize import needs_items
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.learning.rollout import start


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainState:
    """A learner under way, a pytree: all that the next update needs.

    weights:         what is learned
    optimizer_state: of optax
    env_state:       [..., B]  the rounds under way
    observation:     [O, B]    what the policy sees of them
    key:             for all further draws
    num_updates:     []        updates made so far
    divergence:      [2]       the first update after which something was not finite, and what
    normalizer:      how observations are scaled
    bijector:        how raw actions are brought into their Box
    network, head:   the functions that have the weights

    A subclass says which of its weights are the policy's: `policy`, and `with_policy`, which begins with
    another's.
    """

    weights: Any
    optimizer_state: Any
    env_state: Any
    observation: jax.Array
    key: jax.Array
    num_updates: jax.Array
    divergence: jax.Array
    normalizer: ObservationNormalizer
    bijector: ActionBijector
    network: Network = dataclasses.field(metadata={"static": True})
    head: PolicyHead = dataclasses.field(metadata={"static": True})

    @property
    def policy(self) -> NetworkPolicy:
        """What has been learned."""
        raise NotImplementedError

    def with_policy(self, policy: NetworkPolicy) -> Self:
        """The learner with the network and the head's parameters of another policy; all else stays."""
        raise NotImplementedError

    def make_policy(self, weights: Any, parameters: Any) -> NetworkPolicy:
        """The policy of some weights and parameters, for this learner's environment."""
        return NetworkPolicy(
            weights=weights,
            parameters=parameters,
            normalizer=self.normalizer,
            bijector=self.bijector,
            network=self.network,
            head=self.head,
        )

    def replace_weights(self, weights: Any) -> Self:
        """The learner with other weights of the same shapes, copied, in its own precision."""
        chex.assert_trees_all_equal_shapes(self.weights, weights)
        copied = jax.tree.map(lambda like, leaf: jnp.array(leaf, like.dtype), self.weights, weights)
        return dataclasses.replace(self, weights=copied)


def begin_rounds(key: jax.Array, env: Environment, params: Any, config: LearnerConfig) -> dict[str, Any]:
    """The fields of a fresh learner that no algorithm has of its own: B environments reset, no update made.

    The key is consumed.
    """
    env_state, observation = start(key, env, params, config.num_states)
    layout = find_item_layout(env) if needs_items(config.network) else None
    return {
        "env_state": env_state,
        "observation": observation,
        "num_updates": jnp.asarray(0),
        "divergence": never(),
        "normalizer": make_normalizer(env.observation_space(params), layout),
        "bijector": make_bijector(env.action_space(params)),
        "network": config.network,
        "head": config.policy_head,
    }
