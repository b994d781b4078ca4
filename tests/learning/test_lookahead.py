"""Lookahead against optax's own, averages against a plain loop; players who turn around their equilibrium."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcontract as jc
from jaxcontract.learning.averaging import average_last
from jaxcontract.learning.lookahead import look_ahead

RATE, PERIOD, STEPS = 0.3, 2, 3


def slope(weights, step):
    return {"a": jnp.cos(weights["a"] + step), "b": weights["b"] * 0.1 + 1.0}


def test_weights_are_those_of_optaxs_lookahead():
    """Theirs counts gradient steps, and keeps the slow weights beside the fast ones."""
    begin = {"a": jnp.array([0.2, -1.0]), "b": jnp.array(3.0)}
    theirs = optax.lookahead(optax.sgd(0.1), PERIOD * STEPS, RATE)
    pair, state = optax.LookaheadParams.init_synced(begin), None
    state = theirs.init(pair)
    weights, own = begin, None
    for number in range(4 * PERIOD * STEPS):
        ours = optax.chain(optax.sgd(0.1), look_ahead(PERIOD, RATE, STEPS, number // STEPS, 10**6))
        own = ours.init(weights) if own is None else own
        moves, own = ours.update(slope(weights, number), own, weights)
        weights = optax.apply_updates(weights, moves)
        moves, state = theirs.update(slope(pair.fast, number), state, pair)
        pair = optax.apply_updates(pair, moves)
        jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-5), weights, pair.fast)


def test_the_last_update_ends_a_period():
    begin = {"a": jnp.array([0.2, -1.0]), "b": jnp.array(3.0)}
    weights, state = begin, None
    for number in range(STEPS):
        ours = look_ahead(PERIOD, RATE, STEPS, number // STEPS, 1)
        state = ours.init(weights) if state is None else state
        moves, state = ours.update({"a": jnp.ones(2), "b": jnp.array(1.0)}, state, weights)
        weights = optax.apply_updates(weights, moves)
    assert weights["b"] == pytest.approx(3.0 + RATE * STEPS)


def test_players_who_turn_around_their_equilibrium_come_nearer_to_it():
    """x y: each climbs its own slope, and plain steps spiral outwards."""

    def play(optimizer_of):
        weights, state = jnp.array([1.0, 1.0]), None
        for number in range(400):
            optimizer = optimizer_of(number)
            state = optimizer.init(weights) if state is None else state
            moves, state = optimizer.update(jnp.array([weights[1], -weights[0]]), state, weights)
            weights = optax.apply_updates(weights, moves)
        return float(jnp.linalg.norm(weights))

    plain = play(lambda _: optax.sgd(0.1))
    ahead = play(lambda number: optax.chain(optax.sgd(0.1), look_ahead(10, 0.5, 1, number, 400)))
    assert plain > np.sqrt(2.0)
    assert ahead < 0.1


def test_a_training_ends_with_the_mean_of_its_last_updates():
    weights, state, kept = {"a": jnp.array([0.2, -1.0]), "b": jnp.array(3.0)}, None, []
    for number in range(5 * STEPS):
        ours = optax.chain(optax.sgd(0.1), average_last(2, STEPS, number // STEPS, 5))
        state = ours.init(weights) if state is None else state
        moves, state = ours.update(slope(weights, number), state, weights)
        expected = jax.tree.map(lambda one, step: one - 0.1 * step, weights, slope(weights, number))
        weights = optax.apply_updates(weights, moves)
        if number < 5 * STEPS - 1:
            jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-6), weights, expected)
        if number % STEPS == STEPS - 1:
            kept.append(expected)
    mean = jax.tree.map(lambda *last: sum(last) / 2, *kept[-2:])
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-6), weights, mean)


def test_it_does_not_go_with_steps_that_are_left_out():
    with pytest.raises(ValueError, match=r"PPOConfig.lookahead_updates = 3: must be 0 with a target_kl"):
        jc.PPOConfig(lookahead_updates=3, target_kl=0.1)
