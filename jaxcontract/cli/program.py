"""What the command that runs is called, and how it speaks to a person: written once. No JAX."""

import os
import shlex
import sys
from typing import NamedTuple

from jaxcontract.training.worker import GONE, find_worker

# Exit codes. The watchdog has one of its own, for a device that does not answer.
DONE = 0
BAD_INPUT = 2  # or a directory in use, or no device of the kind that is asked for
PARTLY_DONE = 3  # a seed diverged; a contract is not feasible
NOT_LOADABLE = 4
NOT_WRITTEN = 5
REMARKED = 6  # done, and something was remarked that --strict makes a failure
INTERRUPTED, TERMINATED = 130, 143  # 128 and the number of the signal, as shells report it

NAME = "jaxcontract"


class Program(NamedTuple):
    """A command as a person started it.

    name: begins its messages and its usage line: `jaxcontract train`, or `run_ppo.py`
    call: starts it again, for examples: `jaxcontract train`, or `python experiments/run_ppo.py`
    """

    name: str
    call: str

    def say(self, line: str) -> None:
        """Tell a person in one line what to know, or what is wrong."""
        print(f"{self.name}: {line}", file=sys.stderr)

    def fail(self, code: int, message: str) -> int:
        """Say in one line why the program ends or what it could not do: the exit code."""
        if code == GONE and (worker := find_worker()):
            worker.tell(line=message)  # for its parent to say, once for all processes
            return code
        self.say(message if code in (INTERRUPTED, TERMINATED) else f"error: {message}")
        return code

    def fill_in(self, text: str) -> str:
        """A help text with the call in the place of each PROGRAM."""
        return text.replace("PROGRAM", self.call)


def name_command(command: str, program: str = NAME) -> Program:
    """One of the commands of `jaxcontract`, or of `python -m jaxcontract`."""
    return Program(f"{program} {command}", f"{program} {command}")


def name_script() -> Program:
    """The script that Python was started with."""
    path = sys.argv[0]
    return Program(os.path.basename(path), shlex.join(["python", path]))
