"""Rounds per second of the bare environment and of full training, and how they grow.

Over parallel rounds, seeds and device types: speed, memory, and for training the regret that the timed
updates have reached. All cores of a CPU are at work, or all devices. Compiling and running are timed
apart; every run is waited for; the median of the repeats is quoted beside the smallest and the largest.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("steps_per_second.py")  # also while what follows is imported

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from command import check_device, describe_machine, draw_last, make_parser, numbers, picture_file, report
from jaxcontract.cli.options import count

AXES = {"rounds": "num_envs", "seeds": "num_seeds", "types": "num_types"}


def growth(rows: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    """Exponents with which the seconds of one update of everything, and memory, grow with a size."""
    from clock import exponent

    sizes = [row[name] for row in rows]
    rounds = [row["num_envs"] * row.get("num_seeds", 1) for row in rows]
    seconds = [count / row["median"] for count, row in zip(rounds, rows, strict=True)]
    return {
        "time": exponent(sizes, seconds),
        "memory": exponent(sizes, [row["memory_bytes"] for row in rows]),
    }


def line(kind: str, row: dict[str, Any]) -> str:
    """One measurement for a person."""
    seeds = f", {row['num_seeds']} seeds" if "num_seeds" in row else ""
    speed = f"{row['median']:,.0f} steps/s ({row['min']:,.0f} to {row['max']:,.0f})"
    quality = f"feasible {row['feasible']:.4f}"
    if "regret" in row:
        quality += f", regret {row['regret']:.4f} after {row['env_steps_per_seed']:,} steps a seed"
    cost = f"compiled in {row['compile_seconds']:.1f} s, {row['memory_bytes'] / 1e6:.1f} MB"
    return f"{kind}: K = {row['num_types']}, B = {row['num_envs']}{seeds}: {speed}; {quality}; {cost}"


def measure_all(parsed: Any) -> dict[str, Any]:
    """Every point once, printed as it comes: {axis: rows}."""
    from playing import ROUNDS_TIMED, STEPS_TIMED, bare_env, training

    usual = {bare_env: ROUNDS_TIMED, training: STEPS_TIMED}
    rounds, seeds, types = parsed.num_envs, parsed.seeds, parsed.num_types
    plan: dict[str, list[tuple[Callable[..., Any], tuple[int, ...]]]] = {
        "env over rounds": [(bare_env, (types[0], size)) for size in rounds],
        "env over types": [(bare_env, (size, parsed.base_rounds)) for size in types],
        "training over rounds": [(training, (types[0], parsed.base_seeds, size)) for size in rounds],
        "training over seeds": [(training, (types[0], size, parsed.base_rounds)) for size in seeds],
        "training over types": [(training, (size, parsed.base_seeds, parsed.base_rounds)) for size in types],
    }
    result: dict[str, Any] = {}
    for axis, points in plan.items():
        result[axis] = []
        for function, sizes in points:
            row = function(*sizes, parsed.repeats, parsed.steps or usual[function])
            print(line(axis.split()[0], row), flush=True)
            result[axis].append(row)
    return result


def main(arguments: list[str] | None = None) -> int:
    parser = make_parser("steps_per_second.py", __doc__)
    add = parser.add_argument
    powers = ",".join(str(2**power) for power in range(8, 17))
    add("--num-envs", type=numbers, default=powers, metavar="B,…", help=f"(default {powers})")
    add("--seeds", type=numbers, default="1,2,5,16,64", metavar="S,…", help="(default 1,2,5,16,64)")
    add(
        "--num-types",
        type=numbers,
        default="2,8,16,32,64",
        metavar="K,…",
        help="(default 2,8,16,32,64)",
    )
    add("--base-rounds", type=count, default=2048, metavar="B", help="where others vary (default 2048)")
    add("--base-seeds", type=count, default=5, metavar="S", help="where others vary (default 5)")
    add("--steps", type=count, metavar="N", help="rounds in a repeat on a core (default 2^20, or 2^19)")
    add("--plot", type=picture_file, metavar="FILE", help="also draw the growth, as a PNG")
    parsed = parser.parse_args(arguments)
    if min(*parsed.num_envs, parsed.base_rounds) < 2:
        parser.error("--num-envs and --base-rounds: must be at least 2, for a gradient step")
    check_device(parser)
    print(describe_machine())
    result = measure_all(parsed)
    exponents = {axis: growth(rows, AXES[axis.split()[-1]]) for axis, rows in result.items()}
    for axis, powers_of in exponents.items():
        print(f"{axis}: time grows with exponent {powers_of['time']:.2f}, memory {powers_of['memory']:.2f}")
    report({**result, "exponents": exponents}, parsed.json)
    draw_last("steps_per_second.py", parsed.plot, lambda path: draw(result, path))
    return 0


def draw(result: dict[str, Any], path: Path) -> None:
    """Speed above memory, against rounds, seeds and types."""
    from matplotlib.figure import Figure

    from jaxcontract.figures.style import GREY, LOOKS, Look, save

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    panels = figure.subplots(2, 3, sharey="row", sharex="col")
    looks = {"env": Look(GREY, "s", "--"), "training": LOOKS["learned"]}  # the env is none of the schemes
    titles = {"rounds": "parallel rounds B", "seeds": "seeds S", "types": "device types K"}
    for column, (axis, title) in enumerate(titles.items()):
        for kind, look in looks.items():
            rows = result.get(f"{kind} over {axis}")
            if not rows:
                continue
            sizes = [row[AXES[axis]] for row in rows]
            style = {"color": look.colour, "marker": look.marker, "linestyle": look.line, "label": kind}
            panels[0, column].plot(sizes, [row["median"] for row in rows], **style)
            panels[1, column].plot(sizes, [row["memory_bytes"] / 1e6 for row in rows], **style)
        panels[1, column].set_xlabel(title)
        for panel in panels[:, column]:
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            panel.grid(alpha=0.3)
    panels[0, 0].set_ylabel("env steps/s")
    panels[1, 0].set_ylabel("memory of the program, MB")
    panels[0, 0].legend(frameon=False)
    save(figure, path.with_suffix(""))
    print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
