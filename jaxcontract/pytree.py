"""Dataclasses as JAX pytrees."""

import dataclasses
from typing import Any, TypeVar

import jax

T = TypeVar("T")


def register(cls: type[T]) -> type[T]:
    """Register a frozen dataclass as a pytree; fields marked `static` become part of its structure.

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
