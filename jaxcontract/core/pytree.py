"""Dataclasses as JAX pytrees, and pytrees as plain arrays that a file can hold."""

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

T = TypeVar("T")
Arrays = dict[str, np.ndarray]  # the leaves of a pytree by their paths, in its order


def register(cls: type[T]) -> type[T]:
    """Register a frozen dataclass as a pytree; fields marked `static` become part of its structure.

    cls: the dataclass, which is returned: `@jc.register` stands above `@dataclasses.dataclass(frozen=True)`

    Unlike `jax.tree_util.register_dataclass`, rebuilding does not call the constructor: JAX rebuilds
    a record around tracers, placeholders and batches, and around results that are still being
    computed, which a validating constructor would wait for.
    """
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    traced = tuple(field.name for field in fields if not field.metadata.get("static"))
    static = tuple(field.name for field in fields if field.metadata.get("static"))

    def flatten_with_keys(record: T) -> tuple[Any, Any]:
        children = tuple((jax.tree_util.GetAttrKey(name), getattr(record, name)) for name in traced)
        return children, tuple(getattr(record, name) for name in static)

    def flatten(record: T) -> tuple[Any, Any]:
        children = tuple(getattr(record, name) for name in traced)
        return children, tuple(getattr(record, name) for name in static)

    def unflatten(structure: Any, children: Any) -> T:
        record = object.__new__(cls)
        for name, value in zip(traced + static, (*children, *structure), strict=True):
            object.__setattr__(record, name, value)
        return record

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree under their paths, in order: {"weights/params/Dense_0/bias": …}."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def to_arrays(tree: Any) -> Arrays:
    """The leaves of a pytree by path, copied to the host; a random key is the numbers that it is made of."""
    return {path: _to_array(leaf) for path, leaf in by_path(tree).items()}


def from_arrays(like: T, arrays: Arrays) -> T:
    """A pytree with the structure and the kinds of random keys of another, and with these leaves."""
    leaves, structure = jax.tree.flatten(like)
    filled = [_from_array(*pair) for pair in zip(leaves, arrays.values(), strict=True)]
    tree: T = jax.tree.unflatten(structure, filled)
    return tree


def _to_array(leaf: Any) -> np.ndarray:
    return np.array(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _from_array(like: Any, array: np.ndarray) -> jax.Array:
    leaf = jnp.asarray(array)
    return jax.random.wrap_key_data(leaf, impl=jax.random.key_impl(like)) if _is_key(like) else leaf


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key))
