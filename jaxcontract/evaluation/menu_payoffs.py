"""What a station earns by a menu for two device types, where its rival's is drawn from a law.

Both ask for f°, and leave (u_1, u_2) to the types. By (u_1, u_2) a station's payoff depends on the law by
three chances: that the rival leaves less to type 1, to type 2, and to both.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Stakes(NamedTuple):
    """What two stations bargain over in one state, units of payment.

    surplus: [2]  S_k; ends: [2]  of u_2 − u_1, the least and the most; type_probs: [2]
    """

    surplus: jax.Array
    ends: jax.Array
    type_probs: jax.Array


def leave(action: jax.Array, stakes: Stakes) -> jax.Array:
    """(u_1, u_2) of actions x [2, ...], as `make_offers` has them: [2, ...]."""
    first = stakes.surplus[0] * action[0]
    share = jnp.clip(action[1], 0.0, 1.0)
    return jnp.stack([first, first + stakes.ends[0] + (stakes.ends[1] - stakes.ends[0]) * share])


def share_served(applies: jax.Array, type_probs: jax.Array, capacity: Any) -> jax.Array:
    """The share [2] of each type that a station serves of which a share `applies` [2] comes to it first.

    Its own applicants in random order up to L, then those for whom its rival has no room. It has room for
    all of these: two stations have.
    """
    own, rival = (
        queue * jnp.minimum(1.0, capacity / jnp.maximum(jnp.sum(type_probs * queue), capacity))
        for queue in (applies, 1.0 - applies)
    )
    return own + (1.0 - applies - rival)


def expected_payoff(
    left: jax.Array, wins_first: Any, wins_second: Any, wins_both: Any, stakes: Stakes, capacity: Any
) -> jax.Array:
    """What a station earns for each device by menus that leave u_1, u_2 [2, ...], all chances [...].

    wins_first, wins_second, wins_both: that the rival leaves less to type 1, to type 2, to both
    """
    outcomes = (
        ((1.0, 1.0), wins_both),
        ((1.0, 0.0), wins_first - wins_both),
        ((0.0, 1.0), wins_second - wins_both),
        ((0.0, 0.0), 1.0 - wins_first - wins_second + wins_both),
    )
    probs = stakes.type_probs
    served = [(share_served(jnp.asarray(wins), probs, capacity), chance) for wins, chance in outcomes]
    return sum(
        probs[kind]
        * sum(share[kind] * chance for share, chance in served)
        * (stakes.surplus[kind] - left[kind])
        for kind in (0, 1)
    )


def secured_payoff(stakes: Stakes, capacity: Any) -> jax.Array:
    """(1 − L/M) Σ Q_k (S_k − u_k) at the cheapest menu: what no rival can take. Returns [].

    A rival that leaves type 1 nothing either, and type 2 more, can take a little of it.
    """
    least = jnp.stack([jnp.zeros_like(stakes.ends[0]), stakes.ends[0]])
    return (1.0 - capacity) * jnp.sum(stakes.type_probs * (stakes.surplus - least))


def best_reply_to_menu(left: jax.Array, stakes: Stakes, capacity: Any) -> tuple[jax.Array, jax.Array]:
    """What a station earns for each device where both post one menu, and by the best other. Returns [], [].

    left: [2]  u_1 and u_2 of that menu. The best leaves each type just more, as much, or as little as it can
    beside what it leaves the other; or it is the cheapest of all.
    """
    cheapest = jnp.stack([jnp.maximum(0.0, left[1] - stakes.ends[1]), left[0] + stakes.ends[0]])
    replies = [left, left.at[1].set(cheapest[1]), left.at[0].set(cheapest[0])]
    wins = [((1.0, 1.0), (0.5, 1.0), (1.0, 0.5)), ((1.0, 0.0), (0.5, 0.0)), ((0.0, 1.0), (0.0, 0.5))]

    def earn(applies: Any, menu: jax.Array) -> jax.Array:
        served = share_served(jnp.asarray(applies), stakes.type_probs, capacity)
        return jnp.sum(stakes.type_probs * served * (stakes.surplus - menu))

    found = [earn(one, menu) for menu, kinds in zip(replies, wins, strict=True) for one in kinds]
    earned = earn((0.5, 0.5), left)
    best = jnp.max(jnp.stack([*found, secured_payoff(stakes, capacity)]))
    return earned, jnp.maximum(best, earned)
