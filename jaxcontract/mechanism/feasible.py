"""Every feasible contract as a point of R^{2K}, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import concrete, finite, refuse
from jaxcontract.mechanism.accumulate import running_sum
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import frequency_bounds
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats
from jaxcontract.mechanism.rounds import one_round

# The best contract lies where the rent and every share vanish. With these the origin of R^{2K} has a
# rent of 5e-4 and shares of 2 %, and a unit step divides both by 7: a learner that starts there closes
# the rest in a few units, where a plain softplus and sigmoid left two thirds of the regret in them.
RENT_SCALE, RENT_GAIN, RENT_OFFSET = 0.01, 2.0, 3.0
SHARE_GAIN, SHARE_OFFSET = 2.0, 4.0


@one_round(vector=1, rent_scale=0, frequency_shift=0)
def feasible_contract(
    system: System,
    state: NetworkState,
    vector: Numbers,
    rent_scale: Numbers = RENT_SCALE,
    frequency_shift: Numbers = 0.0,
) -> Contract:
    """A bijection from R^{2K} onto the inside of the feasible set of (10).

    rent_scale:      []  what s is counted in, units of payment; at 0 type 1 earns nothing
    frequency_shift: []  is added to the K logits: where f starts between its bounds
    vector:          [2K]  any finite numbers, in three parts:
        K      logits; with a fixed zero behind them their softmax gives the K + 1 gaps of
               f_min ≤ f_1 ≤ … ≤ f_K ≤ f_max (`frequency_bounds`)
        1      softplus gives s ≥ 0, what type 1 earns: r_1 = f_1/φ_1 + s
        K − 1  sigmoids λ_k: r_{k+1} − r_k = (f_{k+1} − f_k) (λ_k/φ_k + (1 − λ_k)/φ_{k+1})

    With an effort e(f) of the system's own, e_k stands for f_k in the payments.

    With IR at the lowest type, IC between neighbours both ways (the two ends of λ_k) implies all K²
    constraints. The best contract lies at s = 0, λ = 0: approached as far as the precision goes.

    Raises:
        ValueError: when the vector has another length, or the rent's scale is known and negative.
    """
    rent_scale = _check_rent_scale("feasible_contract", rent_scale)
    frequency_shift = floats(frequency_shift, "feasible_contract", "frequency_shift")
    vector, size = floats(vector, "feasible_contract", "vector"), state.device_types.shape[0]
    if jnp.shape(vector)[:1] != (2 * size,):
        raise ValueError(f"feasible_contract: a vector of shape {jnp.shape(vector)}: must be ({2 * size},)")
    logits, rent, shares = jnp.split(vector, [size, size + 1])
    logits = logits + frequency_shift
    gaps = jax.nn.softmax(jnp.concatenate([logits, jnp.zeros_like(rent)]), axis=0)[:-1]
    low, high = frequency_bounds(system, state)
    width = high - low
    frequency = low + width * running_sum(gaps)
    cost = 1.0 / state.device_types
    share = jax.nn.sigmoid(SHARE_GAIN * shares - SHARE_OFFSET)
    step_cost = share * cost[:-1] + (1.0 - share) * cost[1:]
    taken = effort(system, frequency)
    steps = width * gaps[1:] if system.effort is None else jnp.diff(taken, axis=0)
    first = taken[:1] * cost[:1] + rent_scale * jax.nn.softplus(RENT_GAIN * rent - RENT_OFFSET)
    increments = steps * step_cost
    payment = running_sum(jnp.concatenate([first, increments]))
    return Contract(frequency=frequency, payment=payment)


@one_round(rent_scale=0, frequency_shift=0)
def feasible_vector(
    system: System,
    state: NetworkState,
    contract: Contract,
    rent_scale: Numbers = RENT_SCALE,
    frequency_shift: Numbers = 0.0,
) -> jax.Array:
    """The inverse of `feasible_contract`: [2K], finite for a contract that no constraint binds.

    rent_scale, frequency_shift: []  as there

    Where constraints bind, or frequencies or types coincide, the vector is infinite or undefined; so is the
    rent's part of it at a scale of 0.

    Raises:
        ValueError: when the rent's scale is known and negative.
    """
    rent_scale = _check_rent_scale("feasible_vector", rent_scale)
    frequency, payment = jnp.asarray(contract.frequency), jnp.asarray(contract.payment)
    cost = 1.0 / state.device_types
    low, high = frequency_bounds(system, state)
    gaps = jnp.diff(frequency, prepend=low[None], append=high[None])
    logits = jnp.log(gaps[:-1]) - jnp.log(gaps[-1]) - frequency_shift
    taken = effort(system, frequency)
    rent = (payment[:1] - taken[:1] * cost[:1]) / rent_scale
    rent = (rent + jnp.log(-jnp.expm1(-rent)) + RENT_OFFSET) / RENT_GAIN
    step_cost = jnp.diff(payment) / jnp.diff(taken)
    shares = jnp.log(step_cost - cost[1:]) - jnp.log(cost[:-1] - step_cost)
    return jnp.concatenate([logits, rent, (shares + SHARE_OFFSET) / SHARE_GAIN])


def _check_rent_scale(function: str, rent_scale: Numbers) -> jax.Array:
    known = concrete(rent_scale)
    if known is not None and not (finite(known) and np.all(known >= 0)):
        raise refuse(function, "rent_scale", rent_scale, "a number in [0, inf)")
    return floats(rent_scale, function, "rent_scale")
