"""Many seeds at once: a mesh axis over the devices, mapped within each."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec

from jaxcontract.learning.loop import Algorithm, Metrics, repeat
from jaxcontract.learning.ppo import PPO

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
    """The training of several seeds, ready to run. A seed's result does not depend on the others (CPU).

    start():                  → learners, fields [S, ...]
    advance(learners, count): → (learners, metrics [S]); the learners given are consumed
    batch_size:               rounds that each seed plays per update
    compile_seconds:          what tracing and compiling took
    """

    start: Callable[[], Any]
    advance: Callable[[Any, int], tuple[Any, Metrics]]
    batch_size: int
    compile_seconds: float


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled training of `size` seeds at a time, whatever their numbers.

    One program serves every seed and every value of the traced numbers in `params` and `config`: a
    sweep over them compiles once.
    """

    size: int
    batch_size: int
    compile_seconds: float
    start: Callable[..., Any]
    advance: Callable[..., tuple[Any, Metrics]]

    def training(self, seeds: Sequence[int], params: Any, config: Any) -> Training:
        """The training of at most `size` seeds; the rows behind theirs are copies of the last.

        params, config: one for all, or a list with one for each seed.
        """
        keys = jnp.stack([jax.random.key(seed) for seed in _filled(seeds, self.size)])
        members = keys, _stacked(params, self.size), _stacked(config, self.size)
        return Training(
            start=partial(self.start, members),
            advance=lambda learners, count: self.advance(learners, members[1:], jnp.asarray(count)),
            batch_size=self.batch_size,
            compile_seconds=self.compile_seconds,
        )


def compile_program(
    size: int, env: Any, params: Any, config: Any, mesh: Mesh, algorithm: Algorithm = PPO
) -> Program:
    """Compile the training of `size` seeds, a multiple of the mesh's; only shapes of `params` matter."""
    began = time.perf_counter()

    def begin(member):
        key, params, config = member
        return algorithm.init(key, env, params, config)

    def go_on(member, count):
        learner, params, config = member
        return repeat(algorithm.update, learner, env, params, config, count)

    keys = jnp.stack([jax.random.key(0)] * size)
    members = keys, _stacked(params, size), _stacked(config, size)
    start = jax.jit(over_seeds(begin, mesh)).lower(members).compile()
    learners = jax.eval_shape(over_seeds(begin, mesh), members)
    # The learners alone are given away: params and config are needed again.
    jitted = jax.jit(
        lambda learners, shared, count: over_seeds(go_on, mesh)((learners, *shared), count),
        donate_argnums=0,
    )
    step = jitted.lower(learners, members[1:], jnp.asarray(1)).compile()
    return Program(
        size=size,
        batch_size=config.batch_size,
        compile_seconds=time.perf_counter() - began,
        start=start,
        advance=step,
    )


def compile_training(
    seeds: Sequence[int],
    env: Any,
    params: Any,
    config: Any,
    mesh: Mesh,
    algorithm: Algorithm = PPO,
) -> Training:
    """Compile the training of `seeds`, padded with copies of the last one to fill the mesh.

    params, config: one for all, or a list with one for each seed; lists may differ in numbers, not in
    sizes and switches. The first `len(seeds)` rows of every result are the seeds asked for.
    """
    size = len(seeds) + -len(seeds) % mesh.size
    one_config = config[0] if isinstance(config, list) else config
    one_params = params[0] if isinstance(params, list) else params
    program = compile_program(size, env, one_params, one_config, mesh, algorithm)
    return program.training(seeds, params, config)


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
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *rows)
