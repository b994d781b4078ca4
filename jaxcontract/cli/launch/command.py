"""Train or sweep in several processes on this machine: each with its share of the seeds and of the cores."""

import os
import socket
import sys
from collections.abc import Sequence

from jaxcontract.cli.launch.cores import share_cores
from jaxcontract.cli.options import OneLineParser, count
from jaxcontract.cli.processes.child import Child
from jaxcontract.cli.processes.options import NAMES, Joining
from jaxcontract.cli.processes.supervisor import supervise
from jaxcontract.cli.program import Program, name_command
from jaxcontract.cli.sweep import command as sweep
from jaxcontract.cli.train import command as train

PROGRAM = name_command("launch")
COMMANDS = {"train": train.read_options, "sweep": sweep.read_options}
EPILOG = """\
examples:
  PROGRAM -n 2 -- train --seeds 64 --out runs/many
  PROGRAM -n 8 -- train --seeds 4096             on eight GPUs, one for each process
  PROGRAM -n 2 -- sweep grid.toml --seeds 20
  PROGRAM -n 2 -- train --resume runs/many       goes on where that stopped
  PROGRAM -n 2 -- train --help                   what `train` takes

The result is that of one process with all seeds, on a CPU to the bit. Process 0 writes and prints. When a
process dies, the others end within seconds, and the same command goes on; so does one process alone, or
another number of them. On several machines start one process on each, with the options --coordinator,
--processes and --process-id of `train` and `sweep`, or --cluster.

exit codes:
  75   a process is gone; the same command goes on
  and those of `train` and `sweep`
"""


def main(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> int:
    """Train in several processes: the exit code."""
    words = list(sys.argv[2:] if arguments is None else arguments)
    own, command = _split(words)
    parser = OneLineParser(
        prog=program.name,
        usage=f"{program.name} [-h] -n N -- train|sweep ...",
        description=__doc__,
        epilog=program.fill_in(EPILOG),
    )
    parser.add_argument(
        "-n", "--processes", type=count, metavar="N", required=True, help="how many processes"
    )
    number = parser.parse_args(own).processes
    if not command or command[0] not in COMMANDS:
        named = f"{command[0]} is not a command for several processes" if command else "no command is named"
        parser.error(f"{named}; write {program.name} -n {number} -- {' or '.join(COMMANDS)} ...")
    name, *arguments = command
    called = program._replace(call=f"{program.call} -n {number} -- {name}")
    started = Program(program.name.replace("launch", name), called.call)
    own_options = {f"--{one.replace('_', '-')}" for one in NAMES - {"start_timeout"}}
    if given := sorted(own_options & {word.partition("=")[0] for word in arguments}):
        parser.error(f"{given[0]}: `launch` says it to each process; leave it out")
    options = COMMANDS[name](arguments, started)
    if name == "train" and options.parsed.seeds < number and not options.parsed.resume:
        parser.error(f"--seeds {options.parsed.seeds}: must be in [{number}, inf), one for each process")
    return supervise(lambda: _start(number, command, options.parsed.start_timeout, called), started)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of `launch`, and those of the command, which begin after `--` or with its name."""
    for place, word in enumerate(words):
        if word == "--" or word in COMMANDS:
            return list(words[:place]), list(words[place + (word == "--") :])
    return list(words), []


def _start(number: int, command: Sequence[str], start_timeout: float, called: Program) -> list[Child]:
    coordinator = f"127.0.0.1:{_free_port()}"
    cores = share_cores(number)
    return [
        Child(
            joining.name,
            [*_before_arguments(), *command, *joining.words],
            called.call,
            launched=number > 1,
            cores=cores[index],
            environment={"JAX_LOCAL_DEVICE_IDS": str(index), **os.environ},
        )
        for index in range(number)
        for joining in [Joining(coordinator, number, index, start_timeout=start_timeout)]
    ]


def _before_arguments() -> list[str]:
    """What stands between Python and the arguments on the command line: `-m jaxcontract`, or a path."""
    return sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]


def _free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
