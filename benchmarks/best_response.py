"""Best responses per second of a station whose devices may walk away, and of SciPy's SLSQP beside it.

Ours solves a batch of states in one compiled program, each core its share; SLSQP takes the same states one
after the other in one process, from each of 20 random starts, with numerical gradients and all IR and IC
constraints as printed. The problem is not convex, and one start need not find the best: 20
starts are what is compared at equal accuracy, and one start is reported beside it. Compiling and running are
timed apart; every run is waited for; the median is quoted beside the smallest and the largest.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("best_response.py")  # also while what follows is imported

import importlib.util
from typing import Any

from command import check_device, describe_machine, make_parser, numbers, report
from jaxcontract.cli.options import count

STARTS = 20
ACCURACY = 1e-6  # relative: SLSQP's best value and ours are equal within it


def show(row: dict[str, Any]) -> None:
    """The lines of one K."""
    size, ours, peer = row["num_types"], row["ours"], row["slsqp"]
    rate = ours["states_per_second"]
    print(
        f"K = {size}: ours {rate['median']:,.0f} states/s ({rate['min']:,.0f} to {rate['max']:,.0f}), "
        f"compiled in {ours['compile_seconds']:.1f} s; certified within {ours['largest_gap']:.0e} of the best"
    )
    if peer is None:
        return
    print(
        f"       SLSQP {1e3 * peer['seconds_per_start']['median']:.1f} ms a start; {peer['found']} of "
        f"{peer['states']} states within {ACCURACY:g} by all starts, {peer['found_by_one']:.0%} by one; "
        f"at most {peer['ahead']:.0e} better than ours"
    )
    print(f"       ours: {row['times_faster']:,.0f} × all starts, {row['times_one_start']:,.0f} × one start")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = make_parser("best_response.py", __doc__)
    add = parser.add_argument
    add("--num-types", type=numbers, default=[2, 8], metavar="K,...", help="default 2,8")
    add("--states", type=count, default=4096, metavar="B", help="states side by side, ours (default 4096)")
    add("--peer-states", type=count, default=10, metavar="N", help="states that SLSQP solves (default 10)")
    add("--starts", type=count, default=STARTS, metavar="R", help=f"SLSQP's starts (default {STARTS})")
    parsed = parser.parse_args(arguments)
    check_device(parser)
    peer = importlib.util.find_spec("scipy") is not None
    if not peer:
        print('SLSQP: left out, for want of scipy; pip install -e ".[test]"')
    from responding import compare

    print(describe_machine())
    rows = []
    for num_types in parsed.num_types:
        peer_states = parsed.peer_states if peer else 0
        rows.append(compare(num_types, parsed.states, parsed.repeats, peer_states, parsed.starts, ACCURACY))
        show(rows[-1])
    result = {"starts": parsed.starts, "accuracy": ACCURACY, "sizes": rows}
    report(result, parsed.json)
    return result


if __name__ == "__main__":
    main()
