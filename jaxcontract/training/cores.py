"""Independent pieces of work on the cores of a CPU: threads that share one compiled program.

XLA runs a compiled program on one CPU device as often at a time as it is called, and releases Python's
lock meanwhile. So one program, compiled once, keeps every core busy with a seed of its own. Work within
one seed is too fine to be shared: two cores made one training slower, and two trainings twice as fast.
"""

import heapq
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import jax

# The widest vectors of the machine, which XLA does not use by itself: 15 to 25 % faster on AVX-512.
FAST_RUN = {"xla_cpu_prefer_vector_width": 512}
# For what runs once: compiled in a third of the time.
FAST_COMPILE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def compile_with(lowered: Any, options: dict[str, Any]) -> Any:
    """A lowered function compiled with XLA's options, or without them where XLA does not know one."""
    try:
        return lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError:
        return lowered.compile()


def run_in_pieces(
    work: Callable[[int, int], Any], num_workers: int, num_jobs: int, amount: int
) -> list[list[tuple[int, Any]]]:
    """Do `amount` units of each of several jobs, `num_workers` of them at a time.

    work(job, units): do some more units of a job, and wait for them; never called twice at a time for
        one job

    Jobs are cut into pieces, so that all workers are busy to the end: five jobs take two workers two
    and a half turns, not three. Returns for each job its pieces in order, (units, what `work` returned).
    """
    pieces = [_cut(amount, 1 if num_jobs % num_workers == 0 else num_workers) for _ in range(num_jobs)]
    done: list[list[tuple[int, Any]]] = [[] for _ in range(num_jobs)]
    waiting = [(-len(pieces[job]), job) for job in range(num_jobs) if pieces[job]]
    running: dict[Future[Any], tuple[int, int]] = {}
    with ThreadPoolExecutor(num_workers) as workers:
        while waiting or running:
            while waiting and len(running) < num_workers:
                _, job = heapq.heappop(waiting)  # most pieces left first
                units = pieces[job].pop()
                running[workers.submit(work, job, units)] = job, units
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                job, units = running.pop(future)
                done[job].append((units, future.result()))
                if pieces[job]:
                    heapq.heappush(waiting, (-len(pieces[job]), job))
    return done


def _cut(amount: int, count: int) -> list[int]:
    """`amount` as a sum of at most `count` whole numbers that differ by at most one."""
    sizes = [(amount + part) // count for part in range(count)]
    return [size for size in sizes if size]


def memory_of(program: Any) -> int:
    """Bytes that a compiled program needs for its arguments, results and temporaries."""
    sizes = program.memory_analysis()
    total = sizes.argument_size_in_bytes + sizes.output_size_in_bytes + sizes.temp_size_in_bytes
    return int(total - sizes.alias_size_in_bytes)


def on_cpu() -> bool:
    """Whether it is a CPU on which JAX computes here."""
    return jax.local_devices()[0].platform == "cpu"


def num_places() -> int:
    """Seeds that can be trained apart from each other: one on each core of a CPU, or on each other device."""
    return usable_cores() if on_cpu() else len(jax.local_devices())


def describe_devices(count: int) -> str:
    """So many places, in words."""
    first = jax.local_devices()[0]
    return f"{first.platform} ({first.device_kind}), {count} {'cores' if on_cpu() else 'devices'}"


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
