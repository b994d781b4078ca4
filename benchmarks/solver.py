"""Contracts per second of the exact optimum, and of general solvers on the same states.

Ours solves a batch of states side by side in one compiled program, which every core of a CPU runs on its
share of them, with the machine's widest vectors; the others take one state after the other in one process,
with the constraints in the form that stands beside their names: all K² of (8) and (9) as printed, of which
Clarabel solves next to nothing from K = 32 on, or the 2K − 1 that imply them, which are what the README
quotes. Compiling and running are timed apart; every run is waited for; the median is quoted beside the
smallest and the largest.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("solver.py")  # also while what follows is imported

import importlib.util
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command import check_device, describe_machine, draw_last, make_parser, numbers, picture_file, report
from convex import PEERS, Peer
from jaxcontract.cli.options import count

# Numbers in one array of a batch. Larger batches leave the cache of a core: twice the time per state.
NUMBERS = 2**17
STEEPEST = 3.0  # growth of the peers' time in K that is expected before a state is tried


def is_hopeful(peer: Peer, num_types: int, rows: Sequence[dict[str, Any]], limit: float) -> bool:
    """Whether a peer, by its figures at the last smaller K, will solve a state within the limit."""
    if not rows:
        return True
    figures = rows[-1]["peers"].get(peer.name)
    if figures is None or not figures["solved"]:
        return False
    growth = (num_types / rows[-1]["num_types"]) ** STEEPEST
    return bool(figures["seconds_per_state"]["median"] * growth <= limit)


HEADER = (
    f"{'K':>4}  {'solver':<33} {'per state':>9} {'min':>8} {'max':>8}  {'states':>7}  "
    f"{'×float32':>9} {'×float64':>9}  {'ΔU_B':>7} {'Δf':>7} {'Δr':>7}"
)


def show(row: dict[str, Any]) -> None:
    """The lines of one K."""
    size = row["num_types"]
    for precision, figures in row["ours"].items():
        rate, compiling = figures["states_per_second"]["median"], figures["compile_seconds"]
        print(
            f"{size:>4}  {'ours, ' + precision:<33} {format_times(figures['seconds_per_state'])}  "
            f"{figures['states']:>7}  {rate:,.0f} states/s, compiled in {compiling:.2f} s"
        )
    for name, figures in row["peers"].items():
        solved = f"{figures['solved']}/{figures['states']}"
        start = f"{size:>4}  {name:<33} {format_times(figures['seconds_per_state'])}  {solved:>7}"
        if figures["solved"]:
            faster = " ".join(f"{figures[precision]['times_faster']:>9,.0f}" for precision in row["ours"])
            print(f"{start}  {faster}  {format_difference(figures['float64']['difference'])}")
        else:
            print(f"{start}  {figures['gave_up']}")


def format_times(figures: dict[str, float]) -> str:
    """Median, min and max in fixed columns."""
    median, low, high = (format_seconds(figures[name]) for name in ("median", "min", "max"))
    return f"{median:>9} {low:>8} {high:>8}"


def format_seconds(seconds: float) -> str:
    """Three digits and a unit."""
    unit, scale = next(
        (unit, scale)
        for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
        if seconds >= scale or unit == "ns"
    )
    return f"{seconds / scale:.3g} {unit}"


def format_difference(difference: dict[str, float]) -> str:
    """The largest relative differences in fixed columns."""
    return " ".join(f"{difference[name]:>7.0e}" for name in ("utility", "frequency", "payment"))


def plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Time per state against K, each solver a line between its fastest and its slowest."""
    from matplotlib.figure import Figure

    from jaxcontract.figures import style

    looks = {
        "ours, float32": ("#009E73", "s", "--"),
        "ours, float64": ("#009E73", "D", "-"),
        PEERS[0].name: ("#E69F00", "v", "--"),
        PEERS[1].name: ("#D55E00", "^", "-"),
        PEERS[2].name: ("#0072B2", "o", "-"),
    }
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    labels = []
    for name, (colour, marker, line) in looks.items():
        entries = [(row["num_types"], entry) for row in rows if (entry := _entry(row, name))]
        if not entries:
            continue
        sizes = [size for size, _ in entries]
        middle, low, high = (
            [entry["seconds_per_state"][part] for _, entry in entries] for part in ("median", "min", "max")
        )
        axes.fill_between(sizes, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(sizes, middle, color=colour, marker=marker, linestyle=line, markersize=5)
        labels += style.end_label(name, colour, sizes, middle)
    style.log_axis(axes, "x")
    style.log_axis(axes, "y")
    axes.set_xticks([row["num_types"] for row in rows], [str(row["num_types"]) for row in rows])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="device types K", ylabel="seconds per state")
    style.heading(axes, "Problem (10), exactly: median time per state, from the fastest to the slowest")
    style.tidy(axes)
    style.place_labels(figure, {axes: labels})
    style.save(figure, file.with_suffix(""))
    print(f"written to {file}")


def _entry(row: dict[str, Any], name: str) -> dict[str, Any] | None:
    """A solver's figures in a row; none where it was left out or solved nothing."""
    if name.startswith("ours, "):
        return row["ours"][name.removeprefix("ours, ")]
    figures = row["peers"].get(name)
    return figures if figures and figures["solved"] else None


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = make_parser("solver.py", __doc__)
    add = parser.add_argument
    sizes = [2, 8, 32, 64, 128, 256]
    add("--num-types", type=numbers, default=sizes, metavar="K,...", help="default 2,8,32,64,128,256")
    add("--states", type=count, metavar="B", help=f"states side by side, ours (default {NUMBERS:,} / K)")
    add("--peer-states", type=count, default=20, metavar="N", help="states each peer solves (default 20)")
    add("--peer-seconds", type=float, default=20.0, metavar="S", help="a peer's time at each K (default 20)")
    add("--plot", type=picture_file, metavar="FILE", help="also draw time against K, as a PNG")
    parsed = parser.parse_args(arguments)
    check_device(parser)
    peers = [peer for peer in PEERS if all(map(importlib.util.find_spec, peer.packages))]
    if len(peers) < len(PEERS):
        absent = ", ".join(peer.name for peer in PEERS if peer not in peers)
        print(f'{absent}: left out, for want of packages; pip install -e ".[test]"')
    from solving import compare, exponent

    print(describe_machine())
    print("×: a peer's time, in one process, over ours, on all cores; Δ: from our float64, relative")
    print(HEADER)
    rows: list[dict[str, Any]] = []
    for num_types in parsed.num_types:
        able = [peer for peer in peers if is_hopeful(peer, num_types, rows, parsed.peer_seconds)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            batch = parsed.states or NUMBERS // num_types
            row = compare(num_types, able, batch, parsed.repeats, parsed.peer_states, parsed.peer_seconds)
        rows.append(row)
        show(row)
        for peer in peers:
            if peer not in able:
                print(f"{num_types:>4}  {peer.name:<33} left out, going by its figures at the last K")
    exponents = {precision: exponent(rows, precision) for precision in rows[0]["ours"]}
    for precision, fitted in exponents.items():
        if math.isfinite(fitted):
            print(f"ours, {precision}: time per state grows like K^{fitted:.2f}")
    result = {"sizes": rows, "exponents": exponents}
    report(result, parsed.json)
    draw_last("solver.py", parsed.plot, lambda path: plot(rows, path))
    return result


if __name__ == "__main__":
    main()
