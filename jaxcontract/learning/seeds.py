"""Many seeds at once: a mesh axis over the devices, mapped within each."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec

from jaxcontract.learning.config import PPOConfig
from jaxcontract.learning.ppo import Learner, Metrics, advance, init_learner

SEEDS = "seeds"


def seed_mesh(num_seeds: int, devices: Sequence[Any] | None = None) -> Mesh:
    """One axis over the devices, at most one device per seed."""
    devices = jax.devices() if devices is None else devices
    count = min(num_seeds, len(devices))
    return jax.make_mesh((count,), (SEEDS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def over_seeds(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """`function(tree, *shared)` of one seed, as a function of a [S, ...] tree; S divides over the mesh.

    On CPU the seeds of a device run one after another: batching training over seeds by `vmap` can
    wedge XLA's CPU thread pool for ever, and changes the last bits of every seed, while each turn
    of `lax.map` computes what it would alone. An accelerator needs the batch to be busy: `vmap`.
    """
    on_cpu = mesh.devices.flat[0].platform == "cpu"

    def within(trees, *shared):
        def one(tree):
            return function(tree, *shared)

        return jax.lax.map(one, trees) if on_cpu else jax.vmap(one)(trees)

    def across(trees, *shared):
        specs = (PartitionSpec(SEEDS), *(PartitionSpec() for _ in shared))
        sharded = jax.shard_map(
            within, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(SEEDS), check_vma=False
        )
        return sharded(trees, *shared)

    return across


@dataclasses.dataclass(frozen=True)
class Training:
    """The compiled training of several seeds. Each seed's result does not depend on the others (CPU).

    start():                  → learners, fields [S, ...]
    advance(learners, count): → (learners, metrics [S]); the learners given are consumed
    batch_size:               rounds that each seed plays per update
    compile_seconds:          what tracing and compiling took
    """

    start: Callable[[], Learner]
    advance: Callable[[Learner, int], tuple[Learner, Metrics]]
    batch_size: int
    compile_seconds: float


def compile_training(seeds: Sequence[int], env: Any, params: Any, config: PPOConfig, mesh: Mesh) -> Training:
    """Compile the training of `seeds`, padded with copies of the last one to fill the mesh.

    The first `len(seeds)` rows of every result are the seeds asked for.
    """
    began = time.perf_counter()
    padding = -len(seeds) % mesh.size
    keys = jnp.stack([jax.random.key(seed) for seed in [*seeds, *[seeds[-1]] * padding]])

    def begin(key, params, config):
        return init_learner(key, env, params, config)

    def go_on(learner, params, config, count):
        return advance(learner, env, params, config, count)

    shared = (params, config)
    start = jax.jit(over_seeds(begin, mesh)).lower(keys, *shared).compile()
    learners = jax.eval_shape(over_seeds(begin, mesh), keys, *shared)
    jitted = jax.jit(over_seeds(go_on, mesh), donate_argnums=0)
    step = jitted.lower(learners, *shared, jnp.asarray(1)).compile()
    return Training(
        start=partial(start, keys, *shared),
        advance=lambda learners, count: step(learners, *shared, jnp.asarray(count)),
        batch_size=config.batch_size,
        compile_seconds=time.perf_counter() - began,
    )
