"""How close training comes to what this machine can do, and where the rest of the time goes.

The ceilings are measured in the same run, before and after the training: a matrix product and a copy
through memory, all cores or devices at work. What an env step costs is counted by hand (matrix products
alone, each number moved once) and by the compiler (all operations, what every kernel touches, in caches
or not). The share quoted is of the nearer ceiling by the count by hand. Each stage is also timed alone.

It is PPO with a critic, as other libraries have it; `jaxcontract train` plays groups of actions instead.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("roofline.py")  # also while what follows is imported

import sys
from typing import Any

from command import check_device, describe_machine, make_parser, report
from counting import STAGES, Cost, by_hand, total
from jaxcontract.cli.options import count, share
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from steps_per_second import line


def rate(
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
    import jaxcontract as jc
    from ceilings import ceilings
    from playing import STEPS_TIMED, training
    from stages import by_compiler, profile

    env = jc.ContractEnv(num_types=parsed.num_types)
    params = env.default_params
    rounds, minibatches, steps = parsed.num_envs, parsed.minibatches, parsed.steps or STEPS_TIMED
    config = jc.PPOConfig(num_envs=rounds, minibatches=minibatches, num_updates=1)
    before = ceilings(parsed.repeats, parsed.scale)
    run = training(parsed.num_types, parsed.seeds, rounds, parsed.repeats, steps, config)
    after = ceilings(parsed.repeats, parsed.scale)
    limits = {name: max(before[name], after[name]) for name in before}
    hand, compiler = by_hand(env, config), by_compiler(env, params, config)
    return {
        "ceilings": limits,
        "ceilings before and after": [before, after],
        "training": run,
        **rate(run, limits, hand, compiler),
        "by hand": {name: cost._asdict() for name, cost in hand.items()},
        "by compiler": {name: cost._asdict() for name, cost in compiler.items()},
        "seconds per env step": profile(env, params, config, parsed.seeds, parsed.repeats, steps // 8),
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
    parser = make_parser("roofline.py", __doc__)
    add = parser.add_argument
    add("--num-types", type=count, default=2, metavar="K", help="device types (default 2)")
    add("--seeds", type=count, default=5, metavar="S", help="trained together (default 5)")
    own = PPOConfig()
    add("--num-envs", type=count, default=own.num_envs, metavar="B", help="(default 2048)")
    add("--minibatches", type=count, default=own.minibatches, metavar="N", help="(default 8)")
    add("--steps", type=count, metavar="N", help="in a repeat on a core (default 2^19)")
    add("--scale", type=share, default=1.0, metavar="SHARE", help="of the ceilings' sizes (default 1)")
    parsed = parser.parse_args(arguments)
    try:
        PPOConfig(num_envs=parsed.num_envs, minibatches=parsed.minibatches)
    except ValueError as error:
        parser.error(str(error))
    check_device(parser)
    return parsed


def main(arguments: list[str] | None = None) -> int:
    parsed = parse(arguments)
    print(describe_machine())
    result = measure(parsed)
    show(result)
    report(result, parsed.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
