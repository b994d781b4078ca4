"""Laws of the rent x on [0, 1] that have a density, and what the best deviation from one gains.

A law is its chances: C(x) at N ascending rents, 0 at the first and 1 at the last. Units: S = 1, M = 1.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.evaluation.chain_law import chain_law
from jaxcontract.learning.policies.diffusion import Diffusion
from jaxcontract.learning.policies.mixture import Mixture
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.mechanism.capacity import capacity_distribution

NODES = 4001  # rents at which a law is looked at: its gain is then exact to about 1e-5 of M − L
LOCATED = 256  # draws that say where the mass of a law lies
DRAWS = 0  # the seed of these draws
REACH = 8.0  # of the line of an expert, in deviations
COARSE = 401  # rents at which a law is looked at in the search for the best one
MISSING = 1e-3  # of the mass of a law, beyond which it was not found


def learned_law(policy: NetworkPolicy, observation: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The law of a policy's action at one observation [O], of one action: (rents [N], chances [N], mass []).

    The density of its head is summed along a line that reaches past a sample of its draws by the sample's
    own width, and `mass` is what it sums to: 1 where all of it was found. The law of a diffusion, which has
    no density, is followed along its chain. That of a mixture is known; it may have parts that are too rare,
    or too narrow, to be found.
    """
    output = policy.output(observation)
    known = follow_law(policy.head, output, policy.parameters)
    if known:
        raw, sums = known
        return policy.bijector.forward(raw[None])[0], sums / sums[-1], sums[-1]
    keys = jax.random.split(jax.random.key(DRAWS), LOCATED)
    drawn = jax.vmap(lambda key: policy.head.sample(key, output, policy.parameters))(keys)
    low, high = jnp.min(drawn), jnp.max(drawn)
    raw = jnp.linspace(low - (high - low), high + (high - low), NODES)
    beside = jnp.broadcast_to(output[:, None], (*output.shape, NODES))
    density = jnp.exp(policy.head.log_prob(raw[None], beside, policy.parameters))
    steps = 0.5 * (density[1:] + density[:-1]) * jnp.diff(raw)
    sums = jnp.concatenate([jnp.zeros(1), jnp.cumsum(steps)])
    return policy.bijector.forward(raw[None])[0], sums / sums[-1], sums[-1]


def follow_law(head: Any, output: jax.Array, parameters: Any) -> tuple[jax.Array, jax.Array] | None:
    """The law of a head that needs no search, at one output: (raw actions [N], chances [N]); else None."""
    if isinstance(head, Diffusion):
        return chain_law(head, output, parameters)
    return mixture_law(head, output, parameters) if isinstance(head, Mixture) else None


def mixture_law(head: Mixture, output: jax.Array, parameters: Any) -> tuple[jax.Array, jax.Array]:
    """The law of a mixture at one output, of one action: (raw actions [N], chances [N]).

    N places, as many on the line of each expert, eight of its deviations to both sides.
    """
    means, std = head.means(output, parameters)[:, 0], jnp.exp(parameters["log_std"][:, 0])
    line = jnp.linspace(-REACH, REACH, NODES // len(std))
    raw = jnp.sort(jnp.ravel(means[:, None] + std[:, None] * line[None]))
    apart = (raw[None] - means[:, None]) / std[:, None]
    chances = jnp.sum(head.gate(output, parameters)[:, None] * jax.scipy.stats.norm.cdf(apart), axis=0)
    return raw, jnp.concatenate([jnp.zeros(1), chances[1:-1], jnp.ones(1)])


def law_payoffs(rents: jax.Array, chances: jax.Array, capacity: Any) -> tuple[jax.Array, jax.Array]:
    """What a station earns where both draw from a law, and by the best payment against it. Returns [], [].

    Every rent of the law's line is tried, those half way between two of them, and 0, where the station
    serves 1 − L/M whatever the other pays. So the best is never below what is earned, their mean.
    """

    def served(chance: jax.Array) -> jax.Array:
        return capacity * chance + (1.0 - capacity) * (1.0 - chance)

    middle, half = 0.5 * (rents[1:] + rents[:-1]), 0.5 * (chances[1:] + chances[:-1])
    between = (1.0 - middle) * served(half)
    best = jnp.maximum(jnp.max(between), jnp.max((1.0 - rents) * served(chances)))
    return jnp.sum(jnp.diff(chances) * between), jnp.maximum(best, 1.0 - capacity)


def law_distance(rents: jax.Array, chances: jax.Array, capacity: Any) -> jax.Array:
    """The Kolmogorov–Smirnov distance of a law, straight between its rents, from F: max |C − F|. Returns [].

    F is convex up to its end and 1 from there on. Where C is straight the two are farthest apart at the end
    of F, at a rent of the law, or where their slopes are equal: all of these are looked at.
    """
    top = (2.0 * capacity - 1.0) / capacity
    slope = jnp.diff(chances) / jnp.diff(rents)
    odds = (1.0 - capacity) / (2.0 * capacity - 1.0)
    touching = 1.0 - jnp.sqrt(odds / jnp.where(slope > 0, slope, jnp.inf))
    inside = jnp.clip(touching, rents[:-1], jnp.minimum(rents[1:], top))
    places = jnp.concatenate([rents, inside, top[None]])
    exact = jnp.clip(odds * places / (1.0 - jnp.minimum(places, top)), 0.0, 1.0)
    return jnp.max(jnp.abs(jnp.interp(places, rents, chances) - exact))


def atoms_distance(rents: np.ndarray, weights: np.ndarray, capacity: float) -> np.ndarray:
    """The same of atoms [S, A] with their weights, before and behind each of them. Returns [S]."""
    order = np.argsort(rents, axis=1)
    rents, weights = (np.take_along_axis(values, order, axis=1) for values in (rents, weights))
    exact = np.asarray(capacity_distribution(rents.ravel(), capacity), float).reshape(rents.shape)
    upto = np.cumsum(weights, axis=1)
    return np.max(np.maximum(np.abs(upto - exact), np.abs(upto - weights - exact)), axis=1)


def equilibrium_law(capacity: Any) -> tuple[jax.Array, jax.Array]:
    """F, from its inverse x = p/(odds + p), odds = (M − L)/(2L − M): (rents [N], chances [N])."""
    chances = jnp.linspace(0.0, 1.0, NODES)
    odds = (1.0 - capacity) / (2.0 * capacity - 1.0)
    return chances / (odds + chances), chances


def best_squashed_gaussian(capacity: Any) -> tuple[jax.Array, jax.Array]:
    """The law that gains least of all Gaussians through a sigmoid: (rents [N], chances [N]).

    No policy with the Gaussian head can be nearer to the equilibrium, in any state.
    """

    def law(mean: jax.Array, log_spread: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
        line = jnp.linspace(-8.0, 8.0, size)
        return jax.nn.sigmoid(mean + jnp.exp(log_spread) * line), jax.scipy.stats.norm.cdf(line)

    def gain(pair: jax.Array) -> jax.Array:
        earned, best = law_payoffs(*law(pair[0], pair[1], COARSE), capacity)
        return best - earned

    def zoom(carry, _):
        centre, reach = carry
        sides = jnp.linspace(-1.0, 1.0, 17)
        square = jnp.stack(jnp.meshgrid(sides, sides), axis=-1).reshape(-1, 2)
        pairs = centre[None] + reach * square
        return (pairs[jnp.argmin(jax.lax.map(gain, pairs, batch_size=32))], 0.5 * reach), None

    begin = jnp.zeros(2), jnp.asarray(4.0)
    (best, _), _ = jax.lax.scan(zoom, begin, length=14)
    return law(best[0], best[1], NODES)
