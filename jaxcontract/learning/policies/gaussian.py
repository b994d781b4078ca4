"""A diagonal Gaussian around a network's output. Imports JAX when it is used: `--help` reads its fields."""

import dataclasses
import math
from typing import Any

from jaxcontract.core.fields import Record, documented, number

LOG_STD_RANGE = (-10.0, 2.0)  # where ln of a deviation is kept in training: beyond it densities leave float32


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Gaussian(Record):
    """π_ω(a|s): independent normals around the output, with one deviation in all states. A `PolicyHead`.

    Its parameters are {"log_std": [A]}, ln of the deviation of a raw action.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    initial_std: float = number(
        0.5,
        "standard deviation of a fresh policy's actions, before they are bounded",
        static=True,
        low=5e-5,
        high=7,
    )

    def num_outputs(self, num_actions: int) -> int:
        """The mean of each action."""
        return num_actions

    def init(self, num_actions: int) -> Any:
        """The parameters of a fresh policy."""
        import jax.numpy as jnp

        return {"log_std": jnp.full(num_actions, jnp.log(self.initial_std))}

    def init_certain(self, num_actions: int) -> Any:
        """The least deviation that there is."""
        import jax.numpy as jnp

        return {"log_std": jnp.full(num_actions, LOG_STD_RANGE[0])}

    def mode(self, output: Any, parameters: Any) -> Any:
        """The mean [A, ...], whatever the deviation."""
        del parameters
        return output

    def sample(self, key: Any, output: Any, parameters: Any) -> Any:
        """mean + std · ε, ε standard normal, [A, ...]. The key is consumed."""
        import jax
        import jax.numpy as jnp

        return output + _column(jnp.exp(parameters["log_std"]), output) * jax.random.normal(key, output.shape)

    def raw_action(self, draw: Any) -> Any:
        """The draw itself."""
        return draw

    def log_prob(self, draw: Any, output: Any, parameters: Any) -> Any:
        """ln of the density at a raw action [A, ...]. Returns [...]."""
        import jax.numpy as jnp

        log_std = parameters["log_std"]
        scaled = (draw - output) * _column(jnp.exp(-log_std), output)
        constant = jnp.sum(log_std) + 0.5 * math.log(2 * math.pi) * log_std.shape[-1]
        return -0.5 * jnp.sum(scaled**2, axis=0) - constant

    def entropy(self, output: Any, parameters: Any) -> Any:
        """Σ (ln std + ln(2πe)/2) over [A], whatever the output. Returns []."""
        import jax.numpy as jnp

        del output
        return jnp.sum(parameters["log_std"] + 0.5 * math.log(2 * math.pi * math.e))

    def bound(self, parameters: Any) -> Any:
        """The deviation within `LOG_STD_RANGE`."""
        import jax.numpy as jnp

        return {"log_std": jnp.clip(parameters["log_std"], *LOG_STD_RANGE)}


def _column(values: Any, batch: Any) -> Any:
    """[A] → [A, 1, …], to go with a batch [A, ...]."""
    return values.reshape(values.shape + (1,) * (batch.ndim - 1))
