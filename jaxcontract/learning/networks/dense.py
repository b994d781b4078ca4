"""The weights of dense layers, drawn by flax."""

from itertools import pairwise
from typing import Any

import flax.linen as nn
import jax


class Dense(nn.Module):
    """A kernel [I, O] and a bias [O]."""

    num_inputs: int
    num_outputs: int
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        kernel = self.param("kernel", self.kernel_init, (self.num_inputs, self.num_outputs))
        return kernel, self.param("bias", nn.initializers.zeros, (self.num_outputs,))


def _start_near_zero() -> nn.initializers.Initializer:
    return nn.initializers.variance_scaling(1e-4, "fan_in", "truncated_normal")


class DenseLayers(nn.Module):
    """Layers from each size to the next; the kernel of the last one starts near zero."""

    sizes: tuple[int, ...]

    @nn.compact
    def __call__(self) -> list[Any]:
        *hidden, last = pairwise(self.sizes)
        layers = [Dense(*pair)() for pair in hidden]
        return [*layers, Dense(*last, kernel_init=_start_near_zero())()]


class NamedLayers(nn.Module):
    """Layers by name, each from one size to another; the kernel of the last one starts near zero."""

    sizes: tuple[tuple[str, tuple[int, int]], ...]

    @nn.compact
    def __call__(self) -> list[Any]:
        *hidden, (last, size) = self.sizes
        layers = [Dense(*pair, name=name)() for name, pair in hidden]
        return [*layers, Dense(*size, kernel_init=_start_near_zero(), name=last)()]
