"""The command line of every benchmark, and where its figures go. No JAX before there are figures."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxcontract.cli.options import OneLineParser, count
from jaxcontract.cli.options import path as path_of
from jaxcontract.cli.pictures import attempt
from jaxcontract.storage.files import write_json
from jaxcontract.training.devices import NoDeviceError, require_device

ASK = (
    "from jaxcontract.training.devices import require_device as ask\n"
    "try: ask()\nexcept ValueError as e: print(e)"
)


def make_parser(name: str, description: str | None) -> OneLineParser:
    """A command line with what every benchmark takes: `--repeats` and `--json`."""
    parser = OneLineParser(prog=name, description=description)
    parser.add_argument("--repeats", type=count, default=5, metavar="N", help="timed runs (default 5)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the figures here")
    return parser


def output_file(text: str) -> Path:
    """An option's value as a file that can be written."""
    path = path_of(text)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} must be a file in a directory that can be written")
    return path


def picture_file(text: str) -> Path:
    """An option's value as a PNG file that can be written."""
    path = output_file(text)
    if path.suffix != ".png":
        raise argparse.ArgumentTypeError(f"{text!r} must end in .png")
    return path


def numbers(text: str) -> list[int]:
    """An option's value as whole numbers in ascending order, such as 2,8,64."""
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or values != sorted(set(values)) or values[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be ascending whole numbers, such as 2,8,64")
    return values


def check_device(parser: OneLineParser, *, apart: bool = False) -> None:
    """End with one line where JAX has no device of the kind that JAX_PLATFORMS asks for.

    apart: ask in a process of its own, for on a GPU the one that asks takes the memory
    """
    if apart:
        if os.environ.get("JAX_PLATFORMS"):
            asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
            if asked.stdout:
                parser.error(asked.stdout.strip())
        return
    try:
        require_device()
    except NoDeviceError as error:
        parser.error(str(error))


def draw_last(program: str, path: Path | None, draw: Callable[[Path], object]) -> None:
    """Draw where that was asked for, in matplotlib's own style, when all figures are written."""

    def at_defaults() -> None:
        from jaxcontract.figures import at_defaults

        if path:
            with at_defaults():
                draw(path)

    attempt(str(path), at_defaults, lambda line: print(f"{program}: {line}", file=sys.stderr))


def report(result: dict[str, Any], file: Path | None) -> None:
    """Write a benchmark's figures with the machine that they come from."""
    from clock import machine

    if file:
        write_json(file, {"machine": machine(), **result})
        print(f"written to {file}")


def describe_machine() -> str:
    """One line for a person: the machine."""
    from clock import machine

    facts = machine()
    return f"{facts['device']}, {facts['processor']}, {facts['cores']} cores, jax {facts['jax']}"
