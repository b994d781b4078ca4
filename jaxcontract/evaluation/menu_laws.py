"""Laws of menus for two device types, and what the best deviation from one gains.

A menu leaves (u_1, u_2) to the types and asks for f°; a law is how likely it leaves at most so much to each.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.evaluation.menu_payoffs import Stakes, expected_payoff, leave, secured_payoff
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.learning.policies.mixture import Mixture
from jaxcontract.learning.policies.network_policy import NetworkPolicy

EVEN = 97  # places of u_1, evenly from 0 to S_1 …
WHERE_IT_LIES = 96  # … and where the law has its mass
LOCATED = 4096  # draws that say where that is
DRAWS = 1 << 17  # by which a law is known whose density is not
SHARES = 33  # deviations (u_2 − u_1) for each u_1
NEAR_END = 1e-12


class MenuLaw(NamedTuple):
    """The law of a menu, straight between its places.

    first: [A], second: [B]  ascending places of u_1 and of u_2
    chances: [A, B]          that u_1 and u_2 are at most these: 0 at the first of either, 1 at both last
    """

    first: jax.Array
    second: jax.Array
    chances: jax.Array


class Experts(NamedTuple):
    """A mixture of Gaussians before the sigmoid onto (x_1, x_2): gate [E], means and std [E, 2].

    low, high: [2]  between which the sigmoids lead
    """

    gate: jax.Array
    means: jax.Array
    std: jax.Array
    low: Any = (0.0, 0.0)
    high: Any = (1.0, 1.0)


def learned_menu_law(policy: NetworkPolicy, observation: jax.Array, stakes: Stakes) -> MenuLaw:
    """The law of a policy's menus at one observation [O].

    That of a Gaussian or a mixture is summed from its density. That of another head is the one of `DRAWS`
    draws: the best deviation from these also gains by their noise.
    """
    output = policy.output(observation)
    experts = find_experts(policy.head, output, policy.parameters)
    key_place, key_law = jax.random.split(jax.random.key(0))

    def draw(key: jax.Array, count: int) -> jax.Array:
        keys = jax.random.split(key, count)
        one = jax.vmap(lambda own: policy.head.sample(own, output, policy.parameters))
        return policy.bijector.forward(jax.vmap(policy.head.raw_action)(one(keys)).T)

    places = _find_places(draw(key_place, LOCATED), stakes)
    if experts is not None:
        return sum_density(experts, *places, stakes)
    return _count(leave(draw(key_law, DRAWS), stakes), *places)


def find_experts(head: Any, output: jax.Array, parameters: Any) -> Experts | None:
    """The Gaussians that a head draws from at one output, of two actions; None of another head."""
    if isinstance(head, Gaussian):
        return Experts(jnp.ones(1), output[None], jnp.exp(parameters["log_std"])[None])
    if isinstance(head, Mixture):
        std = jnp.exp(parameters["log_std"])
        return Experts(head.gate(output, parameters), head.means(output, parameters), std)
    return None


def menu_law_payoffs(law: MenuLaw, stakes: Stakes, capacity: Any) -> tuple[jax.Array, jax.Array]:
    """What a station earns for each device where both draw from a law, and by the best menu. Returns [], [].

    The best of all places of u_1 and `SHARES` steps from there to u_2, between which the payoff is
    smooth, and of the cheapest menu; never below what is earned.
    """
    steps = stakes.ends[0] + (stakes.ends[1] - stakes.ends[0]) * jnp.linspace(0.0, 1.0, SHARES)
    second = law.first[:, None] + steps[None]
    both = jax.vmap(lambda places, row: jnp.interp(places, law.second, row))(second, law.chances)
    alone = jnp.interp(second, law.second, law.chances[-1])
    first = jnp.broadcast_to(law.first[:, None], second.shape)
    marginal = jnp.broadcast_to(law.chances[:, -1:], second.shape)
    tried = expected_payoff(jnp.stack([first, second]), marginal, alone, both, stakes, capacity)

    def between(values: jax.Array, axis: int) -> jax.Array:
        size = values.shape[axis]
        lower = jax.lax.slice_in_dim(values, 0, size - 1, axis=axis)
        return 0.5 * (lower + jax.lax.slice_in_dim(values, 1, size, axis=axis))

    mass = jnp.diff(jnp.diff(law.chances, axis=0), axis=1)
    middle = jnp.stack(jnp.meshgrid(between(law.first, 0), between(law.second, 0), indexing="ij"))
    wins = jnp.meshgrid(between(law.chances[:, -1], 0), between(law.chances[-1], 0), indexing="ij")
    both = between(between(law.chances, 0), 1)
    earned = jnp.sum(mass * expected_payoff(middle, wins[0], wins[1], both, stakes, capacity))
    best = jnp.maximum(jnp.max(tried), secured_payoff(stakes, capacity))
    return earned, jnp.maximum(best, earned)


def _find_places(action: jax.Array, stakes: Stakes) -> tuple[jax.Array, jax.Array]:
    """Places of u_1 and u_2 for the law of actions [2, N], close to one another where it has its mass."""
    first, second = leave(action, stakes)
    quantiles = jnp.linspace(0.0, 1.0, WHERE_IT_LIES)
    even = stakes.surplus[0] * jnp.linspace(0.0, 1.0, EVEN)
    places = jnp.sort(jnp.concatenate([even, jnp.quantile(first, quantiles)]))
    return places, jnp.sort(jnp.concatenate([list_seconds(places, stakes), jnp.quantile(second, quantiles)]))


def list_seconds(first: jax.Array, stakes: Stakes) -> jax.Array:
    """Both ends of u_2 for every u_1 [A], in order: where chances have their kinks. Returns [2 A]."""
    return jnp.sort(jnp.concatenate([first + stakes.ends[0], first + stakes.ends[1]]))


def sum_density(experts: Experts, first: jax.Array, second: jax.Array, stakes: Stakes) -> MenuLaw:
    """The law of a mixture at places [A] and [B], each slice between two u_1 taken at its middle."""
    worth = jnp.maximum(stakes.surplus[0], NEAR_END)
    upto = _chances(experts, first / worth, 0).at[:, 0].set(0.0).at[:, -1].set(1.0)
    middle = 0.5 * (first[1:] + first[:-1])
    width = jnp.maximum(stakes.ends[1] - stakes.ends[0], NEAR_END)
    given = _chances(experts, (second[None] - middle[:, None] - stakes.ends[0]) / width, 1)
    slices = jnp.einsum("e,ei,eij->ij", experts.gate, jnp.diff(upto, axis=1), given)
    chances = jnp.concatenate([jnp.zeros_like(slices[:1]), jnp.cumsum(slices, axis=0)])
    return MenuLaw(first, second, chances)


def _chances(experts: Experts, action: jax.Array, kind: int) -> jax.Array:
    """That each expert's x_1, or x_2, is at most this: [...] → [E, ...]."""
    share = (action - experts.low[kind]) / (experts.high[kind] - experts.low[kind])
    inside = jnp.clip(share, NEAR_END, 1.0 - NEAR_END)
    beside = (slice(None), kind) + (None,) * share.ndim
    raw = (jnp.log(inside) - jnp.log1p(-inside))[None]
    chance = jax.scipy.stats.norm.cdf((raw - experts.means[beside]) / experts.std[beside])
    return jnp.where(share[None] <= 0.0, 0.0, jnp.where(share[None] >= 1.0, 1.0, chance))


def _count(left: jax.Array, first: jax.Array, second: jax.Array) -> MenuLaw:
    """The law of draws (u_1, u_2) [2, N] at these places."""
    rows, columns = (
        jnp.clip(jnp.searchsorted(places, own), 1, len(places) - 1)
        for places, own in zip((first, second), left, strict=True)
    )
    counts = jnp.zeros((len(first), len(second))).at[rows, columns].add(1.0 / left.shape[1])
    chances = jnp.cumsum(jnp.cumsum(counts, axis=0), axis=1)
    return MenuLaw(first, second, chances)
