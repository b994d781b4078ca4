"""What all command lines do alike: one line for what is wrong, and the types of options. No JAX."""

import argparse
import difflib
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxcontract.cli.help_text import HelpFormatter


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line and exits with 2; guesses what a misspelt option meant.

    find_owner: what an option goes with that this parser has not, or None where nothing has it
    source:     what the options are of, where that is not the command line
    """

    def __init__(
        self,
        *,
        find_owner: Callable[[str], str | None] = lambda _: None,
        source: str | Path = "",
        **keywords: Any,
    ) -> None:
        self._find_owner = find_owner
        self._source = f"{source}: " if source else ""
        super().__init__(
            allow_abbrev=False,
            formatter_class=HelpFormatter,
            **keywords,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {self._source}{message}\n")

    def parse_args(self, args=None, namespace=None):
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a question mark where there is no α, not a traceback
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            given = unknown[0].split("=")[0]
            if owner := self._find_owner(given):
                self.error(f"{given}: goes with {owner}")
            known = [option for action in self._actions for option in action.option_strings]
            close = difflib.get_close_matches(given, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; --help lists the options"
            self.error(f"unknown option {unknown[0]}{hint}")
        return parsed


def given_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> set[str]:
    """The options that stand on a command line, by their names: `num_types` of `--num-types`."""
    words = {word.partition("=")[0] for word in (sys.argv[1:] if arguments is None else arguments)}
    given = [action for action in parser._actions if words & set(action.option_strings)]
    return {max(action.option_strings, key=len).lstrip("-").replace("-", "_") for action in given}


def count(text: str) -> int:
    """An option's value as a number of things, at least one."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number in [1, inf)")
    return value


def path(text: str) -> Path:
    """An option's value as a path; `~` is the home directory, which shells leave alone in `--out=~/x`."""
    if not text:
        raise argparse.ArgumentTypeError("'' must be a path")
    if not text.startswith("~"):
        return Path(text)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such home; ./{text} is a name") from None


def share(text: str) -> float:
    """An option's value as a part of a whole."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number in (0, 1]")
    return value


def seconds(text: str) -> float:
    """An option's value as a span of time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number in (0, inf]")
    return value
