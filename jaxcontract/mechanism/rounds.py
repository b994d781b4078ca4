"""One round for the public, many rounds at once behind it. Private to the package.

The mechanism's functions are written for one round with the types along axis 0. Rounds along an axis behind
that are computed by the same lines, and loops over them are contiguous: on a CPU several times as fast as
`jax.vmap` over [B, K] with a handful of types. The two layouts look alike, though: two rounds of two types
would pass for one. So a public function is marked by `one_round` and refuses all but one round, and who
knows what the axes are takes the function behind it, `unchecked`, and gives it `put_rounds_last` states.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import concrete, on_device, traced
from jaxcontract.mechanism.records import Contract, NetworkState, System, check_kind
from jaxcontract.mechanism.system import number_names

P = ParamSpec("P")
R = TypeVar("R")

RECORDS = ("system", "state", "contract")
STATE_RANKS = {"device_types": 1, "type_probs": 1, "max_aoi": 0, "max_latency": 0}
CONTRACT_RANKS = {"frequency": 1, "payment": 1}
USE_VMAP = "use jax.vmap for a batch"
ALLOWED = ("be one number", "have one axis", "have two axes")  # by rank


def one_round(*, any_items: bool = False, **ranks: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a public function: arguments named `system`, `state` and `contract` are of one round.

    any_items: the contract may have another number of items than the state has types
    ranks:     of other arguments by name, 0 for a number and 1 for a vector

    The function raises ValueError, in one line that names the argument, for any other rank. Shapes alone are
    looked at, so it costs nothing under `jit`, and under `jax.vmap` a batch is seen as one round.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = tuple(inspect.signature(function).parameters)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            check_round(any_items=any_items, **{name: given[name] for name in RECORDS if name in given})
            for name in [name for name in ranks if name in given]:
                check_rank(f"{function.__name__}.{name}", given[name], ranks[name])
            return function(*args, **kwargs)

        return checked

    return decorate


def unchecked(function: Callable[P, R]) -> Callable[P, R]:
    """What `one_round` marked, for rounds side by side: [K, B] where one round has [K], and [1, B] or [B].

    Constants of a system stay numbers.
    """
    inside: Callable[P, R] = inspect.unwrap(function)
    return inside


def check_round(*, any_items: bool = False, **records: Any) -> None:
    """See to it that `system`, `state` and `contract`, as far as they are given, are of one round.

    any_items: as in `one_round`

    Raises:
        ValueError: one line that says what is no record of its kind, or which shape is wrong and what is
            allowed.
    """
    if "system" in records:
        check_system(records["system"])
    if "state" in records:
        check_state(records["state"])
    if "contract" in records:
        contract = records["contract"]
        check_kind("contract", contract, Contract)
        _check_fields(contract, CONTRACT_RANKS)
        free = any_items or "state" not in records
        counted = contract.frequency if free else records["state"].device_types
        for name in CONTRACT_RANKS:
            _check_length(contract, name, jnp.shape(counted), "items" if free else "device types")


def check_state(state: Any) -> None:
    """Raises ValueError, in one line, when this is no network state, or several of them."""
    check_kind("state", state, NetworkState)
    _check_fields(state, STATE_RANKS)
    _check_length(state, "type_probs", jnp.shape(state.device_types), "device types")


def check_system(system: Any) -> None:
    """Raises ValueError, in one line, when this is no system, or several of them."""
    check_kind("system", system, System)
    for name in number_names(type(system)):
        shape = np.shape(getattr(system, name))
        if shape:  # of one field or, as in a batch that a person made, of all of them
            raise ValueError(f"system of shape {shape}: must be one {type(system).__name__}; {USE_VMAP}")


def check_rank(name: str, value: Any, rank: int) -> None:
    """Raises ValueError, in one line, when an argument has more or fewer axes than it should.

    name: of the argument and of its owner
    """
    shape = _shape(value)
    if shape is not None and len(shape) != rank:
        raise ValueError(f"{name} of shape {shape}: must {ALLOWED[rank]}; {USE_VMAP}")


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of numbers, in a list too; None of what is not made of numbers."""
    if on_device(value):
        return jnp.shape(value)
    if traced(value):  # a list with tracers in it
        return jnp.shape(jnp.asarray(value))
    given = concrete(value)
    return None if given is None else given.shape


def _check_fields(record: object, ranks: dict[str, int]) -> None:
    for name, rank in ranks.items():
        check_rank(f"{type(record).__name__}.{name}", getattr(record, name), rank)


def _check_length(record: object, name: str, expected: tuple[int, ...], of: str) -> None:
    shape = jnp.shape(getattr(record, name))
    if shape != expected:
        allowed = f"one for each of {expected[0]} {of}"
        raise ValueError(f"{type(record).__name__}.{name} of shape {shape}: must be {allowed}")


def put_rounds_last(states: NetworkState) -> NetworkState:
    """A batch of network states [B, ...] with the axis of rounds behind all others.

    Returns type_probs and device_types [K, B], max_aoi and max_latency [1, B], so that all have one rank.
    """
    rows: NetworkState = jax.tree.map(lambda leaf: jnp.reshape(leaf, (leaf.shape[0], -1)).T, states)
    return rows


def each_round(function: Callable[..., Any], state: NetworkState, frequency: jax.Array) -> Any:
    """`function(state, frequency)` of a user's own, who knows one round only, round by round.

    state, frequency: of one round, or of rounds side by side, [..., B]. Returns the shape of frequency.
    """
    if jnp.ndim(state.max_aoi) == 0:
        return function(state, frequency)

    def alone(state, frequency):
        state = dataclasses.replace(state, max_aoi=state.max_aoi[0], max_latency=state.max_latency[0])
        return function(state, frequency)

    return jax.vmap(alone, in_axes=-1, out_axes=-1)(state, frequency)
