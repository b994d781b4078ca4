"""What a round is made of: the network's state and the contract offered in it."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import Allowed, Record, concrete, finite, on_device, refuse, traced
from jaxcontract.core.pytree import register
from jaxcontract.mechanism.system import System as System
from jaxcontract.mechanism.validation import check_network, require

Numbers: TypeAlias = Any  # JAX or NumPy arrays, tracers, numbers; constructors take lists too

register(System)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NetworkState(Record):
    """What changes every round, (11) less the constants M and K.

    max_aoi:      [s]  the largest tolerable average age of information, Ā_max > 0
    max_latency:  [s]  the largest tolerable average latency, D̄_max > 0
    type_probs:   [K]  Q_k, the share of devices of each type; non-negative, sums to one
    device_types: [K]  φ_k > 0, the inverse of a type's cost per update; ascending, ties allowed

    Lists become arrays, whole numbers and those of 16 bits float32. A batch of rounds carries its axes in
    front of these shapes, and is for `jax.vmap`: functions of one round refuse it.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    max_aoi: Numbers
    max_latency: Numbers
    type_probs: Numbers
    device_types: Numbers

    def __post_init__(self) -> None:
        _finite_arrays(self)
        aoi, latency = concrete(self.max_aoi), concrete(self.max_latency)
        probs, types = concrete(self.type_probs), concrete(self.device_types)
        if aoi is None or latency is None or probs is None or types is None:
            return
        check_network(aoi, latency, probs, types)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Contract(Record):
    """The menu Ψ = {(f_k, r_k)}: one item for each device type.

    frequency: [K]  f_k, updates per slot (1/θ_k; divide by the slot duration for Hz)
    payment:   [K]  r_k, what a device that picks item k is paid per round

    Any finite pair of equal shapes is a contract; `certify` says whether it is feasible.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    frequency: Numbers
    payment: Numbers

    def __post_init__(self) -> None:
        _finite_arrays(self)
        frequency, payment = concrete(self.frequency), concrete(self.payment)
        if frequency is None or payment is None:
            return
        expected = f"of the shape of frequency, {frequency.shape}"
        require(payment.shape == frequency.shape, "Contract", "payment", payment, expected)


def floats(values: Numbers, owner: str, name: str) -> jax.Array:
    """An argument of a public function as an array: what constructors take, or what JAX is tracing.

    owner, name: of the function and of its argument

    An array of floating-point numbers stays as it is, a Python number as weakly typed as JAX has it.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if not on_device(values):
        given = concrete(values)
        if given is None and not traced(values):
            raise refuse(owner, name, values, "numbers")
        if given is not None:
            require(given.dtype.kind in "iuf", owner, name, given, "numbers")
            values = float(values) if isinstance(values, int) else values
            values = given if not isinstance(values, float | np.ndarray | np.generic) else values
    array = jnp.asarray(values)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def floats_within(values: Numbers, owner: str, name: str, **range_: Any) -> jax.Array:
    """`floats` that lie in a range: low, high, above (low itself is outside), below (high is).

    Raises:
        ValueError: as `floats` does, and when one of them is NaN, infinite or outside.
    """
    numbers, allowed = floats(values, owner, name), Allowed("number", name, False, **range_)
    value = concrete(numbers)
    if value is not None and not allowed.admits(value):
        raise refuse(owner, name, values, allowed)
    return numbers


def check_kind(name: str, value: object, kind: type) -> None:
    """Raises ValueError, in one line, when an argument is not a record of its kind: two exchanged, a list."""
    if not isinstance(value, kind):
        wanted, given = (
            f"{'an' if one.__name__[0] in 'AEIOU' else 'a'} {one.__name__}" for one in (kind, type(value))
        )
        raise ValueError(f"{name}: must be {wanted}, not {given}")


def _finite_arrays(record: Record) -> None:
    """Turn every field into an array of float32 or longer, refusing what is not made of finite numbers."""
    owner = type(record).__name__
    for field in dataclasses.fields(record):  # type: ignore[arg-type]
        given = getattr(record, field.name)
        value = concrete(given)
        if value is not None:
            require(finite(value), owner, field.name, given, "finite numbers")
            given = value if isinstance(given, Sequence) else given
        elif not traced(given):
            raise refuse(owner, field.name, given, "finite numbers")
        if value is not None or isinstance(given, Sequence):
            given = jnp.asarray(given)
        # In 16 bits not even the exact optimum would pass its certificate.
        long = jnp.issubdtype(given.dtype, jnp.floating) and given.dtype.itemsize >= 4
        object.__setattr__(record, field.name, given if long else given.astype(float))
