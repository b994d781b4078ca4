"""The network states that policies are measured on: a stream that no training draws from."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np

from jaxcontract.core.fields import Allowed, plain
from jaxcontract.evaluation.blocks import in_blocks, in_default_precision, in_float32
from jaxcontract.mechanism.network_states import NetworkDistribution, check_distribution, sample_network
from jaxcontract.mechanism.records import NetworkState

UNSEEN = 20_000  # states, enough for a standard error of a mean regret near 1 % of its spread
STATES = Allowed("whole", "network states", static=True, low=1, high=2**32 - 1)
TEST_SEED = 2**31 - 1  # of the states of the final measurement
CURVE_SEED = 2**31 - 2  # of a learning curve's states: other than those of the final measurement


def unseen_states(
    distribution: NetworkDistribution, num_states: int = UNSEEN, *, seed: int = TEST_SEED
) -> NetworkState:
    """Network states [N, ...] that no training draws: a stream of their own, the same every time.

    num_states: N; the first of more states are these states
    seed:       of the stream; not for a training's use

    They are drawn in single precision: the same numbers in whatever precision and with whatever random
    keys JAX now computes, returned in its present precision.

    Raises:
        ValueError: when num_states is less than 1.
    """
    check_distribution(distribution)
    num_states = plain("unseen_states", "num_states", num_states, STATES)
    numbers = np.arange(num_states, dtype=np.uint32)
    with same_draws():
        states = in_blocks(_sample, numbers, make_stream(seed), in_float32(distribution))
    drawn: NetworkState = in_default_precision(states)
    return drawn


@jax.jit
def _sample(numbers: jax.Array, key: jax.Array, distribution: NetworkDistribution) -> NetworkState:
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)
    return jax.vmap(sample_network, in_axes=(0, None))(keys, distribution)


def make_stream(seed: int) -> jax.Array:
    """The key of a stream of draws that does not depend on JAX's settings."""
    return jax.random.key(seed, impl="threefry2x32")


@contextmanager
def same_draws() -> Iterator[None]:
    """JAX's own settings for random numbers, whatever those of this process are."""
    with jax.enable_x64(False), jax.threefry_partitionable(True):
        yield
