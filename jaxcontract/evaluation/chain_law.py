"""The law of a diffusion's raw action, where that is one number: its chain, step by step, on a line."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.learning.policies.diffusion import Diffusion

NODES = 4001  # places of a line; what is between two is shared by both, which is exact to their distance²
REACH = 6.0  # of the line of x_N, in deviations
LOCATED = 256  # chains that say where the mass of each step lies
DRAWS = 0  # the seed of these chains


def chain_law(head: Diffusion, output: jax.Array, parameters: Any) -> tuple[jax.Array, jax.Array]:
    """The law of x_0 at one output [H], of one action: (raw actions [N], chances [N]).

    A step takes the mass at each place of one line to the mean that it has there, on the next line, and
    spreads it by the step's normal. The lines reach past a sample of chains by the sample's own width, and
    the last chance is the mass that none of them has lost, 1 within 1e-3 where all of it was found.
    """
    lines = _find_lines(head, output, parameters)
    std = head.deviations(parameters)[:, 0]
    half = 0.5 * (lines[-1, 1] - lines[-1, 0])
    cdf = jax.scipy.stats.norm.cdf
    mass = cdf(lines[-1] + half) - cdf(lines[-1] - half)
    beside = jnp.broadcast_to(output[:, None], (*output.shape, NODES))
    for step in range(head.denoising_steps, 0, -1):
        (mean,) = head.step_mean(step, lines[step][None], beside, parameters)
        mass = _spread(_share(mass, mean, lines[step - 1]), lines[step - 1], std[step - 1])
    width = lines[0, 1] - lines[0, 0]
    edges = jnp.concatenate([lines[0] - 0.5 * width, lines[0, -1:] + 0.5 * width])
    return edges, jnp.concatenate([jnp.zeros(1), jnp.cumsum(mass)])


def _find_lines(head: Diffusion, output: jax.Array, parameters: Any) -> jax.Array:
    """Where x_0, …, x_N lie: [N + 1, NODES], evenly spaced."""
    keys = jax.random.split(jax.random.key(DRAWS), LOCATED)
    chains = jax.vmap(lambda key: head.sample(key, output, parameters))(keys)[:, ::-1]
    low, high = jnp.min(chains, axis=0), jnp.max(chains, axis=0)
    low, high = low - (high - low), high + (high - low)
    return jnp.linspace(low.at[-1].set(-REACH), high.at[-1].set(REACH), NODES, axis=-1)


def _share(mass: jax.Array, mean: jax.Array, line: jax.Array) -> jax.Array:
    """Mass [NODES] moved to its means, each shared by the two places beside it; off the line it is lost."""
    place = (mean - line[0]) / (line[1] - line[0])
    below = jnp.floor(place)
    to_next = place - below
    index = jnp.where((below >= 0) & (below < NODES - 1), below, NODES).astype(int)
    moved = jnp.zeros(NODES + 2).at[index].add(mass * (1.0 - to_next)).at[index + 1].add(mass * to_next)
    return moved[:NODES]


def _spread(mass: jax.Array, line: jax.Array, std: jax.Array) -> jax.Array:
    """Mass [NODES] convolved with a normal: what of it falls nearest to each place."""
    offsets = (line[1] - line[0]) * jnp.arange(1 - NODES, NODES)
    half = 0.5 * (line[1] - line[0])
    cdf = jax.scipy.stats.norm.cdf
    kernel = cdf((offsets + half) / std) - cdf((offsets - half) / std)
    spread = jax.scipy.signal.fftconvolve(kernel, mass, mode="full")
    return jnp.maximum(spread[NODES - 1 : 2 * NODES - 1], 0.0)
