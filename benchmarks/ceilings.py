"""What this machine can do: a matrix product, and a copy through memory."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp

import clock

PRODUCTS = (1024, 2048, 4096)  # sizes of square matrices; the best is the ceiling
COPIED = 2**28  # bytes that each core copies at a time, far more than caches hold
COPIES = 16  # in one program: the first touch of new memory, which costs more, is one of them


def ceilings(repeats: int, scale: float) -> dict[str, float]:
    """FLOP/s of a float32 matrix product and bytes/s of a copy, of the whole machine."""
    products = [max(8, int(size * scale)) for size in PRODUCTS]
    return {
        "flops": max(_product(size, repeats) for size in products),
        "bytes": _copy(max(1024, int(COPIED * scale)), repeats),
    }


def _product(size: int, repeats: int) -> float:
    matrix = jax.random.normal(jax.random.key(0), (size, size))
    program, _ = clock.compile_timed(jnp.matmul, matrix, matrix, options=clock.fast_options())
    return clock.repeat(lambda: program(matrix, matrix), repeats).rate(2 * size**3)["median"]


def _copy(size: int, repeats: int) -> float:
    workers = clock.num_threads()
    rows = [jnp.zeros(size // 4) + number for number in range(workers)]
    program, _ = clock.compile_timed(_copy_row, rows[0], options=clock.fast_options())
    with ThreadPoolExecutor(workers) as cores:

        def run():
            return list(cores.map(lambda row: program(row).block_until_ready(), rows))

        # Each byte is read and written.
        return clock.repeat(run, repeats).rate(2 * COPIES * workers * size)["median"]


def _copy_row(row: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, COPIES, lambda _, row: -row, row)
