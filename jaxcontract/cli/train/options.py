"""The options of a training that are not part of its setting. No JAX."""

from typing import Any

from jaxcontract.cli.options import OneLineParser, count, path, seconds
from jaxcontract.cli.processes.options import NAMES, add_process_options
from jaxcontract.training.loggers import Watching

EPILOG = """\
examples:
  PROGRAM --seeds 5                                  finds the optimum
  PROGRAM --seeds 5 --actions raw --reward centred   without the feasible map
  PROGRAM --seeds 5 --preset paper                   Algorithm 1 as printed
  PROGRAM --num-types 8 --num-updates 1200           eight device types
  PROGRAM --num-types 2-64 --algorithm gradient      one policy for 2 to 64 types
  PROGRAM --game competition --stations 3            stations that compete
  PROGRAM --preset enrolment                         rounds that matter
  PROGRAM --network-file networks.csv                networks like your own
  PROGRAM --seeds 4096 --num-updates 100             wave by wave
  PROGRAM --resume runs/default-20260101-120000      goes on where that run stopped
  PROGRAM --resume runs/first --num-updates 1200     extends a run that has ended
  PROGRAM --init-from runs/first --out runs/second   begins with that run's policies

A run is saved as it goes. Killed at any moment, --resume DIR, or the same command with the same --out, goes
on and ends with the same bits. Ctrl-C and SIGTERM end the chunk that is under way and save.

An extended run keeps what it had in DIR/updates-N. It is not what one longer run gives, unless the step size
is constant: the earlier updates were made at the step sizes of a shorter run. A run with --init-from begins
with networks and deviations; its critics, optimisers, step sizes and random numbers begin anew.

More seeds than --wave are trained wave by wave: results.csv has a row for each seed as its wave ends, and
curves.csv the quantiles; policies are in DIR/waves. A wave that was interrupted goes on, those before stay.

exit codes:
  0    done
  2    bad input, a directory that holds something else or is in use, or no device of the kind that
       JAX_PLATFORMS asks for
  3    a seed diverged; the others are as they would be without it
  4    there are checkpoints, and none can be loaded
  5    the last checkpoint, or the results, could not be saved
  75   the device does not answer, or another process is gone or does not come; the same command goes on
  130  interrupted by Ctrl-C, 143 by SIGTERM
"""
# What may differ when a run goes on.
ANEW = {
    "resume",
    "data_parallel",
    "devices",
    "compilation_cache",
    "stall_limit",
    "tensorboard",
    "wandb",
    "wandb_project",
    *NAMES,
}
EXTENDS = "num_updates"  # and a run that has ended goes on to so many


def add_run_options(parser: OneLineParser) -> None:
    """Add everything that is not part of a setting."""
    add = parser.add_argument
    add("--seeds", type=count, default=5, metavar="N", help="how many seeds (default 5)")
    add("--first-seed", type=int, default=0, metavar="SEED", help="they are SEED, SEED + 1, … (default 0)")
    add("--out", type=path, metavar="DIR", help="where to write (default runs/<preset>-<time>)")
    add(
        "--network-file",
        type=path,
        metavar="FILE",
        help="train on networks like those of FILE, in a form that `design` reads: its constants, and a law "
        "that covers its states; options of the problem and of the law come before it",
    )
    add(
        "--resume",
        type=path,
        metavar="DIR",
        help="go on with the run in DIR, as it was asked for; --num-updates N extends one that has ended and "
        "was neither a sweep nor in waves",
    )
    add(
        "--init-from",
        type=path,
        metavar="DIR",
        help="begin with the policies of the run in DIR, seed by seed (default: with fresh ones); goes with "
        "neither a sweep nor waves",
    )
    counts = {
        "--checkpoint-every": (None, "updates between checkpoints (default: a tenth of the training)"),
        "--eval-states": (None, "unseen states on which the result is measured (default 20000; by game)"),
        "--curve-states": (None, "fixed states for the learning curve (default 1024; by game)"),
        "--curve-points": (None, "points on the learning curve, and progress reports (default 24, or all)"),
        "--devices": (None, "devices, on a CPU cores, to spread the seeds over (default: all)"),
        "--wave": (None, "seeds that are trained at a time; more go in waves (default: 64, or what fits)"),
    }
    for option, (default, meaning) in counts.items():
        add(option, type=count, default=default, metavar="N", help=meaning)
    add(
        "--compilation-cache",
        type=path,
        metavar="DIR",
        help="keep compiled programs here: the same run starts faster the next time (default: none kept)",
    )
    add(
        "--stall-limit",
        type=seconds,
        default=300.0,
        metavar="SECONDS",
        help="give up on a device that has not ended a chunk, about 1 s of work, by then (default 300)",
    )
    add(
        "--data-parallel",
        action="store_true",
        help="spread the rounds of each seed over the devices, one seed after another, instead of the seeds",
    )
    _add_watching_options(parser)
    add_process_options(parser)


def _add_watching_options(parser: OneLineParser) -> None:
    add = parser.add_argument
    add("--tensorboard", action="store_true", help="write events for TensorBoard into DIR/tensorboard")
    add("--wandb", action="store_true", help="tell Weights & Biases, or its files with WANDB_MODE=offline")
    add("--wandb-project", metavar="NAME", help="its project there (default: WANDB_PROJECT, or jaxcontract)")


def read_watching(parsed: Any) -> Watching:
    """Who is to watch. Raises ValueError."""
    if parsed.wandb_project and not parsed.wandb:
        raise ValueError("--wandb-project: goes with --wandb")
    return Watching(parsed.tensorboard, parsed.wandb, parsed.wandb_project)
