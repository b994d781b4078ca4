"""Contracts for devices that enrol, found without looking ahead round by round, for any number of types."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.enrolment import content, first_best, rent_contract
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.freshness import frequency_bounds, log_quality
from jaxcontract.mechanism.incentives import own_utilities
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats, floats_within
from jaxcontract.mechanism.rounds import one_round

STEPS, LONGEST, SHORTEST = 3000, 0.05, 1e-5  # of the climb, and how far it goes in one
STARTS = (-float("inf"), 0.0, 1.0, 2.0, 4.0)  # of u_1, in units of μ above κ; the first is near 0
MEMORY, SQUARES = 0.9, 0.99  # of Adam


@one_round(enrolled=1)
def myopic_contract(system: System, state: NetworkState, enrolled: Numbers) -> Contract:
    """The contract of (10) with the weights Q_k n_k: the best of this round, whatever follows. Returns [K].

    enrolled: [K]  n_k; where none of a type that occurs is enrolled, Q_k alone are the weights

    Raises:
        ValueError: when the shares are not numbers.
    """
    present = state.type_probs * floats(enrolled, "myopic_contract", "enrolled")
    total = jnp.sum(present)
    shares = jnp.where(total > 0, present / jnp.where(total > 0, total, 1.0), state.type_probs)
    return optimal_contract(system, state.replace(type_probs=shares))


@one_round(discount=0)
def constant_contract(system: System, state: NetworkState, law: EnrolmentLaw, discount: Numbers) -> Contract:
    """The best contract of those that are offered in every round, in one network for ever. Returns [K].

    discount: []  γ, in [0, 1)

    n_k goes to G_k = G((u_k − κ)/μ) as (1 − η)^z, so that a device of type k is there
    G_k/(1 − γ) + (n_k − G_k)/(1 − γ (1 − η)) rounds, discounted. What that earns is climbed from several
    starts.

    Raises:
        ValueError: when the discount is no number in its range.
    """
    discount = floats_within(discount, "constant_contract", "discount", low=0, high=1, below=True)
    kept = 1.0 / (1.0 - discount * (1.0 - law.turnover))

    def present(utilities):
        share = content(law, utilities)
        return share / (1.0 - discount) + (law.first_enrolled - share) * kept

    return _climb(system, state, law, present)


@one_round()
def steady_contract(system: System, state: NetworkState, law: EnrolmentLaw) -> Contract:
    """The contract that earns most in the long run, where n_k = G((u_k − κ)/μ). Returns [K]."""
    return _climb(system, state, law, lambda utilities: content(law, utilities))


def _climb(system: System, state: NetworkState, law: EnrolmentLaw, present: Any) -> Contract:
    """argmax Σ_k Q_k N_k(u_k) (β QoD(f_k) − r_k) over contracts within IR and IC, by Adam.

    present: utilities [K] to N_k [K]
    """
    low, high = frequency_bounds(system, state)
    frequency, _ = first_best(system, state)

    def contract(vector):
        rent = law.taste_scale * jax.nn.softplus(vector[0])
        # Gaps between bounds and slopes, as shares: the last is what is left.
        shares = jax.nn.softmax(jnp.append(vector[1:], 0.0))
        slopes = low + (high - low) * jnp.cumsum(shares)[:-1]
        return rent_contract(system, state, rent, slopes)

    def earned(vector):
        offered = contract(vector)
        margin = system.unit_profit * log_quality(system, state, offered.frequency) - offered.payment
        return jnp.sum(state.type_probs * present(own_utilities(state, offered, system)) * margin)

    middle = 0.5 * (frequency[:-1] + frequency[1:])
    gaps = jnp.diff(middle, prepend=low, append=high) / (high - low)
    gaps = jnp.log(jnp.maximum(gaps, jnp.finfo(gaps.dtype).eps))
    scale = jnp.maximum(system.unit_profit, jnp.finfo(gaps.dtype).tiny)

    def climb(start):
        rent = jnp.maximum(law.outside_utility / law.taste_scale + start, 0.1)
        inverse = rent + jnp.log(-jnp.expm1(-rent))  # of softplus, for any rent
        begin = jnp.concatenate([inverse[None], gaps[:-1] - gaps[-1]])
        best = ascend(lambda vector: earned(vector) / scale, begin)
        return best, earned(best)

    found, values = jax.vmap(climb)(jnp.asarray(STARTS, gaps.dtype))
    return contract(found[jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values))])


def ascend(function: Any, start: jax.Array, steps: int = STEPS) -> jax.Array:
    """The best of the points that Adam comes by from a start, its steps falling to a few thousandths."""
    slope = jax.value_and_grad(function)

    def step(carry, number):
        point, mean, square, best, most = carry
        value, gradient = slope(point)
        better = value > most
        best, most = jnp.where(better, point, best), jnp.where(better, value, most)
        mean = MEMORY * mean + (1.0 - MEMORY) * gradient
        square = SQUARES * square + (1.0 - SQUARES) * jnp.square(gradient)
        size = LONGEST * (SHORTEST / LONGEST) ** (number / steps)
        unbiased = mean / (1.0 - MEMORY ** (number + 1.0))
        spread = jnp.sqrt(square / (1.0 - SQUARES ** (number + 1.0)))
        return (point + size * unbiased / (spread + 1e-12), mean, square, best, most), None

    nothing = jnp.zeros_like(start)
    carry = start, nothing, nothing, start, jnp.asarray(-jnp.inf, start.dtype)
    carry, _ = jax.lax.scan(step, carry, jnp.arange(steps, dtype=start.dtype))
    return carry[3]
