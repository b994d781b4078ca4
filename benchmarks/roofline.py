"""How close training comes to what this machine can do, and where the rest of the time goes.

The ceilings are measured in the same run, before and after the training: a matrix product and a copy
through memory, all cores or devices at work. What an env step costs is counted by hand (matrix products
alone, each number moved once) and by the compiler (all operations, what every kernel touches, in caches
or not). The share quoted is of the nearer ceiling by the count by hand. Each stage is also timed alone.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp

import clock
import jaxcontract as jc
from counting import STAGES, Cost, Stage, by_compiler, by_hand, stages, total
from jaxcontract.learning.cores import on_cpu
from jaxcontract.options import count as whole
from jaxcontract.options import share
from steps_per_second import STEPS_TIMED, line, training

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
    program, _ = clock.compiled(jnp.matmul, matrix, matrix, options=clock.fast_options())
    return clock.repeat(lambda: program(matrix, matrix), repeats).rate(2 * size**3)["median"]


def _copy(size: int, repeats: int) -> float:
    workers = clock.num_threads()
    rows = [jnp.zeros(size // 4) + number for number in range(workers)]
    program, _ = clock.compiled(_copied, rows[0], options=clock.fast_options())
    with ThreadPoolExecutor(workers) as cores:

        def run():
            return list(cores.map(lambda row: program(row).block_until_ready(), rows))

        # Each byte is read and written.
        return clock.repeat(run, repeats).rate(2 * COPIES * workers * size)["median"]


def _copied(row: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, COPIES, lambda _, row: -row, row)


def seconds_per_step(stage: Stage, num_seeds: int, batch_size: int, repeats: int, steps: int) -> float:
    """Of a stage alone: on a CPU a seed on every core at a time, elsewhere all seeds in one batch.

    steps: about how many a core, or another device, makes in a repeat
    """
    copies = clock.num_threads()
    function, at_once = stage.function, batch_size
    if not on_cpu():
        function, at_once = _batched(stage.function, num_seeds), num_seeds * batch_size
    program, _ = clock.compiled(function, *stage.arguments, options=clock.fast_options())
    length = max(1, steps // at_once)

    def work(_: int) -> None:
        for _ in range(length):
            jax.block_until_ready(program(*stage.arguments))

    with ThreadPoolExecutor(copies) as cores:
        seconds = clock.repeat(lambda: list(cores.map(work, range(copies))), repeats).median
    return seconds / (copies * length * at_once)


def _batched(function: Callable[..., Any], num_seeds: int) -> Callable[..., Any]:
    """The function of a learner as one of as many like it, so that none is computed only once."""

    def across(first, *others):
        several = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *leaf.shape)), first)
        return jax.vmap(function, in_axes=(0, *[None] * len(others)))(several, *others)

    return across


def profile(env: Any, params: Any, config: Any, num_seeds: int, repeats: int, steps: int) -> dict[str, float]:
    """Seconds per env step of each stage, the rollout's without its sampling, and of the whole update."""
    seconds = {
        name: seconds_per_step(stage, num_seeds, config.batch_size, repeats, steps)
        for name, stage in stages(env, params, config).items()
    }
    seconds["rollout"] -= seconds["sampling"]
    return seconds


def judged(
    run: dict[str, Any], limits: dict[str, float], hand: dict[str, Cost], compiler: dict[str, Cost]
) -> dict[str, Any]:
    """Which ceiling is nearer by the count by hand, and what share of both the training reaches."""
    shares = {
        f"{name} by {counter}": run["median"] * getattr(total(costs), name) / limits[name]
        for counter, costs in (("hand", hand), ("compiler", compiler))
        for name in ("flops", "bytes")
    }
    nearer = max(("flops", "bytes"), key=lambda name: shares[f"{name} by hand"])
    return {"nearer_ceiling": nearer, "share": shares[f"{nearer} by hand"], "shares": shares}


def measure(parsed: Any) -> dict[str, Any]:
    """Everything that is printed."""
    env = jc.ContractEnv(num_types=parsed.num_types)
    params = env.default_params
    rounds, minibatches = parsed.parallel_rounds, parsed.minibatches
    config = jc.PPOConfig(parallel_rounds=rounds, minibatches=minibatches, num_updates=1)
    before = ceilings(parsed.repeats, parsed.scale)
    run = training(parsed.num_types, parsed.seeds, rounds, parsed.repeats, parsed.steps, minibatches)
    after = ceilings(parsed.repeats, parsed.scale)
    limits = {name: max(before[name], after[name]) for name in before}
    hand, compiler = by_hand(env, config), by_compiler(env, params, config)
    return {
        "ceilings": limits,
        "ceilings before and after": [before, after],
        "training": run,
        **judged(run, limits, hand, compiler),
        "by hand": {name: cost._asdict() for name, cost in hand.items()},
        "by compiler": {name: cost._asdict() for name, cost in compiler.items()},
        "seconds per env step": profile(env, params, config, parsed.seeds, parsed.repeats, parsed.steps // 8),
    }


HEAD = (
    f"{'':<10}{'FLOP per env step':>19}{'bytes per env step':>20}{'ns':>8}{'share':>9}{'of the':>9}\n"
    f"{'stage':<10}{'by hand':>9}{'compiler':>10}{'by hand':>10}{'compiler':>10}"
    f"{'a step':>8}{'of time':>9}{'product':>9}"
)


def show(result: dict[str, Any]) -> None:
    """The result for a person."""
    limits, run, seconds = result["ceilings"], result["training"], result["seconds per env step"]
    product, copy = limits["flops"] / 1e9, limits["bytes"] / 1e9
    print(f"ceilings: matrix product {product:.0f} GFLOP/s, memory copy {copy:.1f} GB/s")
    print(line("training", run))
    nearer = {"flops": "the matrix product", "bytes": "memory"}[result["nearer_ceiling"]]
    print(f"the nearer ceiling is {nearer}, and training reaches {result['share']:.1%} of it")
    print("all shares: " + ", ".join(f"{name} {value:.1%}" for name, value in result["shares"].items()))
    print(f"\n{HEAD}")
    for name in STAGES:
        print(stage_line(name, result))
    alone, inside = 1e9 * seconds["whole"], 1e9 / run["median"]
    print(f"a whole update: {alone:,.0f} ns per env step alone, {inside:,.0f} ns in the training above")


def stage_line(name: str, result: dict[str, Any]) -> str:
    """A stage's row of the table."""
    hand, compiler = (Cost(**result[counter][name]) for counter in ("by hand", "by compiler"))
    seconds, whole = (result["seconds per env step"][key] for key in (name, "whole"))
    return (
        f"{name:<10}{hand.flops:>9,.0f}{compiler.flops:>10,.0f}{hand.bytes:>10,.0f}{compiler.bytes:>10,.0f}"
        f"{1e9 * seconds:>8,.0f}{seconds / whole:>9.1%}"
        f"{hand.flops / seconds / result['ceilings']['flops']:>9.1%}"
    )


def parse(arguments: list[str] | None) -> Any:
    """Read the command line; on bad input, one line and exit code 2."""
    parser = clock.make_parser("roofline.py", __doc__)
    add = parser.add_argument
    add("--num-types", type=whole, default=2, metavar="K", help="device types (default 2)")
    add("--seeds", type=whole, default=5, metavar="S", help="trained together (default 5)")
    own = jc.PPOConfig()
    add("--parallel-rounds", type=whole, default=own.parallel_rounds, metavar="B", help="(default 2048)")
    add("--minibatches", type=whole, default=own.minibatches, metavar="N", help="(default 8)")
    add("--steps", type=whole, default=STEPS_TIMED, metavar="N", help="in a repeat on a core (default 2^19)")
    add("--scale", type=share, default=1.0, metavar="SHARE", help="of the ceilings' sizes (default 1)")
    parsed = parser.parse_args(arguments)
    if parsed.parallel_rounds % parsed.minibatches:
        parser.error(f"--minibatches {parsed.minibatches}: must divide --parallel-rounds")
    return parsed


def main(arguments: list[str] | None = None) -> int:
    parsed = parse(arguments)
    print(clock.described())
    result = measure(parsed)
    show(result)
    clock.report(result, parsed.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
