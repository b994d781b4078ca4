"""The command `jaxcontract`, and the scripts that are one of its commands. No JAX to parse a command line.

Nothing that takes time is imported here before Ctrl-C is held back: until then it ends in a traceback.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxcontract.cli.program import Program

COMMANDS = {
    "train": ("jaxcontract.cli.train.command", "train policies and measure them against the exact optimum"),
    "sweep": ("jaxcontract.cli.sweep.command", "train a grid of settings, each with the same seeds"),
    "design": ("jaxcontract.cli.design.command", "from your network, or observed costs, to its contract"),
    "export": (
        "jaxcontract.cli.export",
        "write a trained policy as one file that runs by itself",
    ),
    "launch": (
        "jaxcontract.cli.launch.command",
        "train in several processes on this machine",
    ),
    "plot": ("jaxcontract.cli.plot", "compare runs: a picture, a table and a CSV file"),
}
EPILOG = """\
commands:
{commands}

PROGRAM COMMAND --help says what a command takes.
"""


def main(program: str = "jaxcontract") -> int:
    """Run the command that the command line names: its exit code. `program` is what that was called by."""
    _block_interrupts()
    import sys

    command, arguments = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if command in COMMANDS:
        from jaxcontract.cli.program import name_command

        return _run(command, name_command(command, program), arguments)
    from jaxcontract.training.signals import leave_at_once

    leave_at_once(program)  # also while what follows is imported
    return _refuse(command, program)


def run_script(command: str) -> int:
    """Run a command under the name of the script that Python was started with: its exit code."""
    _block_interrupts()
    import sys

    from jaxcontract.cli.program import name_script

    return _run(command, name_script(), sys.argv[1:])


def _block_interrupts() -> None:
    """Hold back Ctrl-C until it is listened for; `_signal` is there at once, `signal` is not."""
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})


def _run(command: str, program: "Program", arguments: list[str]) -> int:
    from jaxcontract.training.signals import leave_at_once

    leave_at_once(program.name)  # also while what follows is imported
    import importlib

    code: int = importlib.import_module(COMMANDS[command][0]).main(arguments, program)
    return code


def _refuse(command: str, program: str) -> int:
    """Answer a command line without a command: with help, or in one line and exit code 2."""
    import difflib

    from jaxcontract import __version__
    from jaxcontract.cli.options import OneLineParser
    from jaxcontract.cli.program import Program

    listed = "\n".join(f"  {name:8}{meaning}" for name, (_, meaning) in COMMANDS.items())
    parser = OneLineParser(
        prog=program,
        usage=f"{program} [-h] [--version] COMMAND ...",
        description="Incentive contracts under hidden information, learned and solved exactly.",
        epilog=Program(program, program).fill_in(EPILOG.format(commands=listed)),
    )
    parser.add_argument("--version", action="version", version=f"jaxcontract {__version__}")
    if not command or command.startswith("-"):
        parser.parse_args()
        parser.error(f"name a command: {', '.join(COMMANDS)}; --help says what each does")
    close = difflib.get_close_matches(command, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(COMMANDS)}"
    parser.error(f"unknown command {command}; {hint}")
