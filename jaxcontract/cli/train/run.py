"""A run in its directory, as the modules of this command hand it on. No JAX."""

import shlex
from pathlib import Path
from typing import NamedTuple

from jaxcontract.cli.program import Program
from jaxcontract.cli.train.request import Request
from jaxcontract.training.processes import ALONE, Processes


class Run(NamedTuple):
    """What was asked for, where it is written, and the command that asks."""

    request: Request
    out: Path
    program: Program
    processes: Processes = ALONE

    @property
    def how_to_go_on(self) -> str:
        """What a person can copy."""
        return f"to go on: {self.program.call} {shlex.join(['--resume', str(self.out)])}"


def describe_divergence(seed: int, update: int, quantity: str) -> str:
    """What became of a seed that diverged."""
    what = f"seed {seed} diverged in update {update}: its {quantity} is not finite"
    return f"{what}; policy/ has the last one that was saved"
