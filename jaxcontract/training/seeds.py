"""Many seeds at once: on a CPU one per core, on accelerators spread over them and batched on each."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcontract.core.protocols import Algorithm, Environment
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.divergence import Divergence, as_divergence
from jaxcontract.learning.loop import Metrics, repeat
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.training.cores import (
    FAST_COMPILE,
    FAST_RUN,
    compile_with,
    memory_of,
    num_places,
    on_cpu,
    run_in_pieces,
)

SEEDS = "seeds"

# What one seed is made of: (key, params, config).
Member = tuple[jax.Array, Any, Any]
SeedMetrics = dict[str, np.ndarray]  # [S] each


class Engine(NamedTuple):
    """How the members of a training are trained together; learners are what it makes of them.

    start(members)                    → learners
    advance(learners, members, count) → (learners, metrics); the learners given are consumed
    policies(learners)                → one for each member, at least
    divergences(learners)             → the field of each learner, [S, 2]
    apart(learners)                   → one learner for each member, at least
    together(list of learners)        → learners
    memory_bytes                      what an update needs on one device, all cores of a CPU together
    """

    num_devices: int
    memory_bytes: int
    start: Callable[[Sequence[Member]], Any]
    advance: Callable[[Any, Sequence[Member], int], tuple[Any, SeedMetrics]]
    policies: Callable[[Any], Sequence[NetworkPolicy]]
    divergences: Callable[[Any], np.ndarray]
    apart: Callable[[Any], list[Any]]
    together: Callable[[list[Any]], Any]


@dataclasses.dataclass(frozen=True)
class Training:
    """The training of several seeds, ready to run. A seed's result does not depend on the others (CPU).

    start()                    → learners
    advance(learners, count)   → (learners, metrics [S]); the learners given are consumed. On a CPU a seed
                                 that has diverged stays as it is, and its metrics are NaN
    policies(learners)         → S policies, on the host
    divergences(learners)      → for each seed what made it diverge, or None
    apart(learners)            → S learners, one for each seed
    together(list of learners) → learners
    batch_size:              rounds that each seed plays per update
    num_devices:             devices at work, on a CPU cores
    memory_bytes:            what an update needs on one device, all cores of a CPU together
    compile_seconds:         what tracing and compiling took
    """

    start: Callable[[], Any]
    advance: Callable[[Any, int], tuple[Any, SeedMetrics]]
    policies: Callable[[Any], list[NetworkPolicy]]
    divergences: Callable[[Any], list[Divergence | None]]
    apart: Callable[[Any], list[Any]]
    together: Callable[[list[Any]], Any]
    batch_size: int
    num_devices: int
    memory_bytes: int
    compile_seconds: float


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled training, whatever its numbers.

    One program serves every seed and every value of the traced numbers in `params` and `config`: a
    sweep over them compiles once.
    """

    engine: Engine
    batch_size: int
    compile_seconds: float

    def training(self, seeds: Sequence[int], params: Any, config: Any) -> Training:
        """The training of as many seeds as were compiled for, or of fewer; on a CPU of any number.

        params, config: one for all, or a list with one for each seed.

        Raises:
            ValueError: when listed records differ in a size or a switch, which one program cannot serve.
        """
        keys = [jax.random.key(seed) for seed in seeds]
        members = list(zip(keys, _listed(params, len(keys)), _listed(config, len(keys)), strict=True))
        return Training(
            start=partial(self.engine.start, members),
            advance=lambda learners, count: self.engine.advance(learners, members, count),
            policies=lambda learners: jax.device_get(self.engine.policies(learners))[: len(keys)],
            divergences=lambda learners: [
                as_divergence(row) for row in self.engine.divergences(learners)[: len(keys)]
            ],
            apart=lambda learners: self.engine.apart(learners)[: len(keys)],
            together=self.engine.together,
            batch_size=self.batch_size,
            num_devices=self.engine.num_devices,
            memory_bytes=self.engine.memory_bytes,
            compile_seconds=self.compile_seconds,
        )


def compile_training(
    seeds: Sequence[int],
    env: Environment,
    params: Any,
    config: Any,
    num_devices: int | None = None,
) -> Training:
    """Compile the training of `seeds`.

    params, config: one for all, or a list with one for each seed; lists may differ in numbers, not in
    sizes and switches. num_devices: as in `compile_program`.
    """
    one_config = config[0] if isinstance(config, list) else config
    one_params = params[0] if isinstance(params, list) else params
    program = compile_program(len(seeds), env, one_params, one_config, num_devices)
    return program.training(seeds, params, config)


def compile_program(
    num_seeds: int,
    env: Environment,
    params: Any,
    config: Any,
    num_devices: int | None = None,
) -> Program:
    """Compile the training of `num_seeds` at a time. Of `params` and `config` only the shapes matter.

    num_devices: how many devices, on a CPU cores, to spread the seeds over; by default all
    """
    began = time.perf_counter()
    compile_engine = _compile_for_cores if on_cpu() else _compile_for_mesh
    engine = compile_engine(num_seeds, env, params, config, num_devices)
    seconds = time.perf_counter() - began
    return Program(engine=engine, batch_size=config.batch_size, compile_seconds=seconds)


def _compile_for_cores(
    num_seeds: int, env: Environment, params: Any, config: LearnerConfig, num_cores: int | None
) -> Engine:
    """One program for one seed, called by a thread for each core; learners are a list of them.

    Every seed computes what it would alone, bit for bit. Batching training over seeds by `vmap` can
    wedge XLA's CPU thread pool for ever, and changes the last bits of every seed.
    """
    begin, go_on = one_seed(env, config.make())
    num_workers = min(num_seeds, num_cores or num_places())
    member = jax.random.key(0), as_arrays(params), as_arrays(config)
    start = compile_with(jax.jit(begin).lower(member), FAST_COMPILE)
    learner = jax.eval_shape(begin, member)
    # The learner alone is given away: params and config are needed again.
    lowered = jax.jit(go_on, donate_argnums=0).lower(learner, member[1:], jnp.asarray(1))
    step = compile_with(lowered, FAST_RUN)
    unknown = dict.fromkeys(lowered.out_info[1], math.nan)  # metrics of a seed that has stopped

    def start_all(members):
        return [start(member) for member in members]

    def advance_all(learners, members, count):
        learners = list(learners)

        def work(seed, units):
            if as_divergence(np.asarray(learners[seed].divergence)):
                return unknown
            played = step(learners[seed], members[seed][1:], jnp.asarray(units))
            learners[seed], metrics = jax.block_until_ready(played)
            return metrics

        pieces = run_in_pieces(work, num_workers, len(members), count)
        means = [_mean(done, count) for done in pieces]
        return learners, {name: np.array([mean[name] for mean in means]) for name in means[0]}

    def policies(learners):
        return [learner.policy for learner in learners]

    def divergences(learners):
        return np.array([learner.divergence for learner in learners])

    return Engine(
        num_devices=num_workers,
        memory_bytes=num_workers * memory_of(step),
        start=start_all,
        advance=advance_all,
        policies=policies,
        divergences=divergences,
        apart=list,
        together=list,
    )


def _compile_for_mesh(
    num_seeds: int, env: Environment, params: Any, config: LearnerConfig, num_devices: int | None
) -> Engine:
    """A mesh axis over the devices, seeds batched on each: an accelerator needs the batch to be busy.

    Learners are one learner with fields [S, ...], filled up with copies of the last to fill the mesh.
    """
    begin, go_on = one_seed(env, config.make())
    mesh = seed_mesh(num_seeds, jax.local_devices()[:num_devices])
    size = num_seeds + -num_seeds % mesh.size

    def stacked(members):
        rows = [*members, *[members[-1]] * (size - len(members))]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)

    like = stacked([(jax.random.key(0), as_arrays(params), as_arrays(config))])
    begin_all = jax.jit(over_seeds(begin, mesh)).lower(like).compile()
    learners = jax.eval_shape(over_seeds(begin, mesh), like)
    jitted = jax.jit(over_seeds(go_on, mesh, num_shared=1), donate_argnums=0)
    step = jitted.lower(learners, like[1:], jnp.asarray(1)).compile()

    def advance_all(learners, members, count):
        learners, metrics = step(learners, stacked(members)[1:], jnp.asarray(count))
        return learners, {name: np.asarray(values)[: len(members)] for name, values in metrics.items()}

    def policies(learners):
        return _rows(jax.device_get(learners.policy), size)

    def apart(learners):
        return _rows(jax.device_get(learners), size)

    def together(rows):
        return jax.device_put(stacked(rows), seeds_on(mesh))

    return Engine(
        num_devices=mesh.size,
        memory_bytes=memory_of(step),
        start=lambda members: begin_all(stacked(members)),
        advance=advance_all,
        policies=policies,
        divergences=lambda learners: np.asarray(learners.divergence),
        apart=apart,
        together=together,
    )


def _rows(learners: Any, size: int) -> list[Any]:
    """Fields [S, ...] as a list of S with fields [...]."""
    return [jax.tree.map(lambda leaf, row=row: leaf[row], learners) for row in range(size)]


def one_seed(env: Environment, algorithm: Algorithm) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How one seed begins, and how it goes on."""

    def begin(member):
        key, params, config = member
        return algorithm.init(key, env, params, config)

    def go_on(learner, numbers, count):
        params, config = numbers
        return repeat(algorithm.update, learner, env, params, config, count)

    return begin, go_on


def seeds_on(mesh: Mesh) -> NamedSharding:
    """How learners of many seeds lie on the devices of a mesh."""
    return NamedSharding(mesh, PartitionSpec(SEEDS))


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


def _mean(pieces: Sequence[tuple[int, Metrics]], count: int) -> dict[str, float]:
    """The means over a chunk of `count` updates from those over its pieces."""
    names = pieces[0][1]
    return {name: sum(units * float(means[name]) for units, means in pieces) / count for name in names}


def as_arrays(record: Any) -> Any:
    return jax.tree.map(jnp.asarray, record)


def _listed(records: Any, count: int) -> list[Any]:
    """One record around arrays for each of `count` seeds: those of a list, or one for all."""
    rows = [as_arrays(record) for record in (records if isinstance(records, list) else [records] * count)]
    first: Any = jax.tree.structure(rows[0])
    if not all(jax.tree.structure(row) == first for row in rows):
        raise ValueError(f"{type(rows[0]).__name__}: seeds trained together may differ in numbers only")
    return rows
