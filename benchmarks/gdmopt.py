"""GDMOPT, whose actor is a diffusion model, on our game: what it has learned after some seconds."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("gdmopt.py")  # also while what follows is imported

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from command import check_device, describe_machine, numbers, output_file, report
from jaxcontract.cli.options import OneLineParser, count, path
from jaxcontract.cli.program import BAD_INPUT, INTERRUPTED, Program
from learners.plan import GAMES

PROGRAM = Program("gdmopt.py", "python benchmarks/gdmopt.py")
INSTALL = 'pip install -e ".[gymnasium]" tianshou==0.4.11 gym==0.26.2 torch'
CLONE = "git clone https://github.com/HongyangDu/GDMOPT"
PARTS = ("main.py", "policy/diffusion_opt.py", "diffusion/diffusion.py")
EPILOG = f"""\
example:
  {CLONE}
  python benchmarks/gdmopt.py --repository GDMOPT --json gdmopt.json

needs, best in an environment of its own:
  {INSTALL}

The clone's main.py runs as it is, at its own numbers (6 denoising steps, no expert, which our game has not),
on one CPU thread; only the module that it takes its environment from is ours, with K = 2. Seconds count from
the start of its training, imports and compiling left out. A "drawn" action is denoised from noise, as its own
inference has it; "without noise" puts the mean in place of every draw.

games:
  default      feasible actions, centred reward
  paper        raw actions, reward (13)

exit codes: 0 done, 2 bad input, a library or the clone is missing, 130 interrupted
"""
TITLES = (
    f"{'seed':>4}{'seconds':>9}{'processor':>11}{'env steps':>11}  {'actions':<15}"
    f"{'feasible':>9}{'regret':>10}{'gap':>13}"
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("--repository", type=path, required=True, metavar="DIR", help="a clone of GDMOPT")
    add(
        "--seconds",
        type=numbers,
        default="60,600",
        metavar="LIST",
        help="wall time after which it is measured; it trains until the last (default 60,600)",
    )
    add("--seeds", type=count, default=2, metavar="N", help="one after another (default 2)")
    add("--game", choices=tuple(GAMES), default="default", help="(default default)")
    add("--json", type=output_file, metavar="FILE", help="also write the figures here")
    parsed = parser.parse_args(arguments)
    for part in PARTS:
        if not (parsed.repository / part).is_file():
            parser.error(f"--repository {parsed.repository}: has no {part}; get it with: {CLONE}")
    check_device(parser)
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    load = os.getloadavg()[0]
    try:
        from learners.gdmopt import describe

        runs = list(run(parsed))
    except ImportError as error:
        return PROGRAM.fail(BAD_INPUT, f"{error}; install what it needs with: {INSTALL}")
    except KeyboardInterrupt:
        return PROGRAM.fail(INTERRUPTED, "interrupted")
    print(f"{describe_machine()}; load average before the start {load:.1f}")
    result = {"load_average_before": load, **describe(parsed.repository), "runs": runs}
    report(result, parsed.json)
    return 0


def run(parsed: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every seed's figures, printed as they come."""
    from learners.gdmopt import train

    print(TITLES, flush=True)
    for seed in range(parsed.seeds):
        one = train(parsed.repository, parsed.game, seed, parsed.seconds)
        print(*rows(one), sep="\n", flush=True)
        yield one


def rows(run: dict[str, Any]) -> Iterator[str]:
    """Lines of the table: two for each moment."""
    for point in run["curve"]:
        when = f"{run['seed']:>4}{point['seconds']:>7.0f} s{point['processor_seconds']:>9.0f} s"
        for name in ("drawn", "without_noise"):
            found = point[name]
            yield (
                f"{when}{point['env_steps']:>11,}  {name.replace('_', ' '):<15}"
                f"{found['feasible']:>9.5f}{found['regret']:>10.4f}{found['screening_gap']:>13.2%}"
            )


if __name__ == "__main__":
    sys.exit(main())
