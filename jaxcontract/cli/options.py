"""A command line made from the fields of a setting: names, units, ranges, defaults. No JAX."""

import argparse
import difflib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxcontract.config.setting import PRESET_MEANINGS, PRESETS, Setting, change, leaves
from jaxcontract.core.fields import Allowed

GROUPS = {
    "options": "the game",
    "numbers": "the game's numbers",
    "system": "the deployment",
    "ppo": "the learner",
}


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line and exits with 2; guesses what a misspelt option meant."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **keywords,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")

    def parse_args(self, args=None, namespace=None):
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a question mark where there is no α, not a traceback
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            close = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; --help lists the options"
            self.error(f"unknown option {unknown[0]}{hint}")
        return parsed


def given_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> set[str]:
    """The names of the options that stand on a command line, as its parser calls them."""
    words = {word.partition("=")[0] for word in (sys.argv[1:] if arguments is None else arguments)}
    return {action.dest for action in parser._actions if words & set(action.option_strings)}


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """Add `--preset` and one option for every field of a setting."""
    presets = "; ".join(f"{name}: {meaning}" for name, meaning in PRESET_MEANINGS.items())
    presets = presets.replace("%", "%%")
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help=f"where every option below starts. {presets} (default: default, or raw with --actions raw)",
    )
    groups = {part: parser.add_argument_group(title) for part, title in GROUPS.items()}
    for part, field, default in leaves(PRESETS["default"]):
        allowed = field.metadata["allowed"]
        flag = "--" + field.name.replace("_", "-")
        groups[part].add_argument(flag, default=argparse.SUPPRESS, **_arguments(allowed, default))


def setting_from_options(parsed: argparse.Namespace) -> tuple[str, Setting]:
    """The name of the preset and the setting that a parsed command line asks for.

    Raises:
        ValueError: one line naming the field, its value and what is allowed.
    """
    names = [field.name for _, field, _ in leaves(PRESETS["default"])]
    given = {name: getattr(parsed, name) for name in names if hasattr(parsed, name)}
    preset = parsed.preset or ("raw" if given.get("actions") == "raw" else "default")
    return preset, change(PRESETS[preset], given)


def _arguments(allowed: Allowed, default: Any) -> dict[str, Any]:
    unit = f" [{allowed.unit}]" if allowed.unit else ""
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    text = f"{allowed.meaning}{unit}: {allowed} (default {shown})".replace("%", "%%")
    if allowed.kind == "flag":
        return {"action": argparse.BooleanOptionalAction, "help": text}
    if allowed.kind == "choice":
        return {"choices": allowed.choices, "help": text}
    kinds: dict[str, Any] = {"number": float, "whole": int, "sizes": _sizes}
    return {"type": kinds[allowed.kind], "metavar": allowed.kind.upper(), "help": text}


def _sizes(text: str) -> Sequence[int]:
    """`64,64` → (64, 64)."""
    return tuple(int(part) for part in text.split(","))


_sizes.__name__ = "sizes such as 64,64"


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
