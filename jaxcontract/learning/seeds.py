"""Many seeds at once: on a CPU one per core, on accelerators spread over them and batched on each."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec

from jaxcontract.learning.cores import (
    FAST_COMPILE,
    FAST_RUN,
    compile_with,
    rows_of,
    run_in_pieces,
    usable_cores,
)
from jaxcontract.learning.loop import Algorithm, Metrics, repeat
from jaxcontract.learning.ppo import PPO

SEEDS = "seeds"


@dataclasses.dataclass(frozen=True)
class Training:
    """The training of several seeds, ready to run. A seed's result does not depend on the others (CPU).

    start():                  → learners, fields [S, ...]
    advance(learners, count): → (learners, metrics [S]); the learners given are consumed
    batch_size:               rounds that each seed plays per update
    num_devices:              devices at work, on a CPU cores
    compile_seconds:          what tracing and compiling took
    """

    start: Callable[[], Any]
    advance: Callable[[Any, int], tuple[Any, Metrics]]
    batch_size: int
    num_devices: int
    compile_seconds: float


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled training that serves every seed, and every value of the traced numbers in `params` and
    `config`: a sweep over them compiles once.

    size:                            seeds at a time, filled up with copies of the last; None: any number
    start(members):                  → learners; members: (keys, params, config), each [S, ...]
    advance(learners, shared, count) → (learners, metrics); shared: (params, config), each [S, ...]
    """

    size: int | None
    batch_size: int
    num_devices: int
    compile_seconds: float
    start: Callable[[Any], Any]
    advance: Callable[[Any, Any, int], tuple[Any, Metrics]]

    def training(self, seeds: Sequence[int], params: Any, config: Any) -> Training:
        """The training of some seeds; the first rows of every result are theirs.

        params, config: one for all, or a list with one for each seed.
        """
        size = self.size or len(seeds)
        keys = jnp.stack([jax.random.key(seed) for seed in _filled(seeds, size)])
        members = keys, _stacked(params, size), _stacked(config, size)
        return Training(
            start=partial(self.start, members),
            advance=lambda learners, count: self.advance(learners, members[1:], count),
            batch_size=self.batch_size,
            num_devices=self.num_devices,
            compile_seconds=self.compile_seconds,
        )


def compile_training(
    seeds: Sequence[int],
    env: Any,
    params: Any,
    config: Any,
    num_devices: int | None = None,
    algorithm: Algorithm = PPO,
) -> Training:
    """Compile the training of `seeds`; the first `len(seeds)` rows of every result are theirs.

    params, config: one for all, or a list with one for each seed; lists may differ in numbers, not in
    sizes and switches. num_devices: as in `compile_program`.
    """
    one_config = config[0] if isinstance(config, list) else config
    one_params = params[0] if isinstance(params, list) else params
    program = compile_program(len(seeds), env, one_params, one_config, num_devices, algorithm)
    return program.training(seeds, params, config)


def compile_program(
    num_seeds: int,
    env: Any,
    params: Any,
    config: Any,
    num_devices: int | None = None,
    algorithm: Algorithm = PPO,
) -> Program:
    """Compile the training of `num_seeds` at a time, on a CPU of any number.

    Of `params` and `config` only the shapes matter.

    num_devices: how many devices to spread them over, by default all; on a CPU how many cores
    """
    began = time.perf_counter()
    on_cpu = jax.devices()[0].platform == "cpu"
    compile_on = _compile_for_cores if on_cpu else _compile_for_mesh
    size, used, start, advance = compile_on(num_seeds, env, params, config, num_devices, algorithm)
    return Program(
        size=size,
        batch_size=config.batch_size,
        num_devices=used,
        compile_seconds=time.perf_counter() - began,
        start=start,
        advance=advance,
    )


def _compile_for_cores(
    num_seeds: int, env: Any, params: Any, config: Any, num_cores: int | None, algorithm: Algorithm
) -> tuple[None, int, Callable[..., Any], Callable[..., Any]]:
    """One program for one seed, called by a thread for each core.

    Every seed computes what it would alone, bit for bit. Batching training over seeds by `vmap` can
    wedge XLA's CPU thread pool for ever, and changes the last bits of every seed.
    """
    begin, go_on = _one_seed(env, algorithm)
    num_workers = min(num_seeds, num_cores or usable_cores())
    member = jax.random.key(0), _arrays(params), _arrays(config)
    start = compile_with(jax.jit(begin).lower(member), FAST_COMPILE)
    learner, count = jax.eval_shape(begin, member), jnp.asarray(1)
    lowered = jax.jit(go_on, donate_argnums=0).lower(learner, member[1:], count)
    step = compile_with(lowered, FAST_RUN)

    def start_all(members):
        return _stack([start(member) for member in rows_of(members)])

    def advance_all(learners, shared, count):
        rows, shared = rows_of(learners), rows_of(shared)
        jax.tree.map(lambda leaf: leaf.delete(), learners)

        def work(seed, units):
            rows[seed], metrics = jax.block_until_ready(step(rows[seed], shared[seed], jnp.asarray(units)))
            return metrics

        pieces = run_in_pieces(work, num_workers, len(rows), count)
        return _stack(rows), _stack([_mean(done, count) for done in pieces])

    return None, num_workers, start_all, advance_all


def _compile_for_mesh(
    num_seeds: int, env: Any, params: Any, config: Any, num_devices: int | None, algorithm: Algorithm
) -> tuple[int, int, Callable[..., Any], Callable[..., Any]]:
    """A mesh axis over the devices, seeds batched on each: an accelerator needs the batch to be busy."""
    begin, go_on = _one_seed(env, algorithm)
    mesh = seed_mesh(num_seeds, jax.devices()[:num_devices])
    size = num_seeds + -num_seeds % mesh.size
    keys = jnp.stack([jax.random.key(0)] * size)
    members = keys, _stacked(params, size), _stacked(config, size)
    start = jax.jit(over_seeds(begin, mesh)).lower(members).compile()
    learners = jax.eval_shape(over_seeds(begin, mesh), members)
    # The learners alone are given away: params and config are needed again.
    jitted = jax.jit(over_seeds(go_on, mesh, num_shared=1), donate_argnums=0)
    step = jitted.lower(learners, members[1:], jnp.asarray(1)).compile()

    def advance(learners, shared, count):
        return step(learners, shared, jnp.asarray(count))

    return size, mesh.size, start, advance


def _one_seed(env: Any, algorithm: Algorithm) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How one seed begins, and how it goes on."""

    def begin(member):
        key, params, config = member
        return algorithm.init(key, env, params, config)

    def go_on(learner, shared, count):
        params, config = shared
        return repeat(algorithm.update, learner, env, params, config, count)

    return begin, go_on


def seed_mesh(num_seeds: int, devices: Sequence[Any]) -> Mesh:
    """One axis over the devices, at most one device per seed."""
    count = min(num_seeds, len(devices))
    return jax.make_mesh((count,), (SEEDS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def over_seeds(function: Callable[..., Any], mesh: Mesh, num_shared: int = 0) -> Callable[..., Any]:
    """A function of one seed as one of many, [S, ...] for [...]; S divides over the mesh.

    num_shared: how many of the arguments, the last ones, all seeds share
    """

    def across(*arguments):
        own = len(arguments) - num_shared
        within = jax.vmap(function, in_axes=(*[0] * own, *[None] * num_shared))
        specs = (*[PartitionSpec(SEEDS)] * own, *[PartitionSpec()] * num_shared)
        sharded = jax.shard_map(
            within, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(SEEDS), check_vma=False
        )
        return sharded(*arguments)

    return across


def _mean(pieces: Sequence[tuple[int, Metrics]], count: int) -> Metrics:
    """The means over a chunk from those over its pieces."""
    weighted = [jax.tree.map(lambda value, units=units: units * value, means) for units, means in pieces]
    return jax.tree.map(lambda *values: sum(values) / count, *weighted)


def _stack(rows: Sequence[Any]) -> Any:
    """Trees [...] as one tree [S, ...]."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)


def _arrays(record: Any) -> Any:
    return jax.tree.map(jnp.asarray, record)


def _filled(items: Sequence[Any], size: int) -> list[Any]:
    return [*items, *[items[-1]] * (size - len(items))]


def _stacked(records: Any, size: int) -> Any:
    """Records as one with leaves [size, ...]: a list of them, filled up, or one, repeated.

    Raises:
        ValueError: when listed records differ in a size or a switch, which one program cannot serve.
    """
    rows = _filled(records if isinstance(records, list) else [records], size)
    first: Any = jax.tree.structure(rows[0])
    if not all(jax.tree.structure(row) == first for row in rows):
        raise ValueError(f"{type(rows[0]).__name__}: seeds trained together may differ in numbers only")
    return _stack([_arrays(row) for row in rows])
