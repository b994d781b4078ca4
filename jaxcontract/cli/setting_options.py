"""The options of a setting: names, units, ranges and defaults, from the fields of its records. No JAX."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxcontract.config import many_types
from jaxcontract.config.critic import keep_critic
from jaxcontract.config.older import RENAMED
from jaxcontract.config.presets import PRESET_MEANINGS, PRESETS
from jaxcontract.config.setting import (
    NAMED,
    Setting,
    begin_game,
    change,
    leaves,
    option_names,
    options_of,
    start_for_game,
)
from jaxcontract.config.size_range import read_sizes
from jaxcontract.core.fields import Allowed
from jaxcontract.core.registry import Registry
from jaxcontract.envs.registry import GAMES

GROUPS = {
    "problem": "the problem: constants of the deployment",
    "law": "the law of the networks",
    "env": "the game's rules",
    "network": "the network",
    "policy": "the policy's head",
    "algorithm": "the learner",
}
# The options that choose a record by its name, and the part of the setting that it is.
CHOICES: Mapping[str, tuple[str, Registry]] = {
    "--game": ("game", GAMES),
    "--network": ("network", NAMED["network"]),
    "--policy-head": ("policy", NAMED["policy"]),
    "--algorithm": ("algorithm", NAMED["algorithm"]),
}

SHORT: Mapping[str, tuple[str, ...]] = {"--num-stations": ("--stations",)}


# The options that may be given as a range such as 2-64, and those that its lower end is for.
RANGES = {"num_types": "fewest_types"}

# The presets that are of no one game: what they set, every game has.
OF_ANY_GAME = ("default", "stress")


class OldName(argparse.Action):
    """An option by the name that it had: taken, with a line that says the new one."""

    def __call__(self, parser, namespace, values, option_string=None):
        new = "--" + self.dest.replace("_", "-")
        parser._print_message(f"{parser.prog}: {option_string} is called {new} now\n")
        setattr(namespace, self.dest, values)


def add_setting_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> None:
    """Add `--preset`, what is chosen by name, and one option for every field of what these choose.

    arguments: the command line that will be parsed: `--game`, `--algorithm` and the like decide which
        options there are

    Raises:
        ValueError: one line, when something chosen by name is unknown.
    """
    presets = "; ".join(f"{name}: {meaning}" for name, meaning in PRESET_MEANINGS.items())
    presets = presets.replace("%", "%%")
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        metavar="NAME",
        help=f"where every option below starts. {presets} (default: default, or raw with --actions raw); "
        f"{many_types.MEANING}",
    )
    _add_choices(parser)
    setting = _start(_parse_choices(arguments))
    names, groups = option_names(setting), dict[str, argparse._ArgumentGroup]()
    for part, field, default in leaves(setting):
        if part not in groups:
            groups[part] = parser.add_argument_group(GROUPS.get(part, part))
        flag = "--" + names[part, field.name].replace("_", "-")
        given = _describe_option(field.metadata["allowed"], default)
        if RANGES.get(field.name) in names.values():
            given |= {"type": _size_or_range, "help": f"{given['help']}; 2-64: of 2 to 64, drawn anew"}
        elif field.name in RANGES:
            given |= {"type": _one_size}
        groups[part].add_argument(flag, *SHORT.get(flag, ()), default=argparse.SUPPRESS, **given)
    for old, new in RENAMED.items():
        if new in names.values():
            _add_old_name(parser, old, new)


def setting_from_options(
    parsed: argparse.Namespace, fitted: Mapping[str, Any] | None = None
) -> tuple[str, Setting]:
    """The name of the preset and the setting that a parsed command line asks for.

    fitted: options by name that were found in a file; those of the command line come first

    Raises:
        ValueError: one line naming the field, its value and what is allowed.
    """
    parsed.preset = parsed.preset or ("raw" if getattr(parsed, "actions", None) == "raw" else "default")
    if fitted and "num_types" in fitted:
        parsed.num_types = fitted["num_types"]
    setting = _start(parsed)
    own = PRESETS[parsed.preset].as_dict()["game"]
    if parsed.preset not in OF_ANY_GAME and parsed.chosen_game not in (None, own):
        raise ValueError(
            f"--preset {parsed.preset}: is of --game {own}; with --game {parsed.chosen_game} choose "
            f"{' or '.join(OF_ANY_GAME)}"
        )
    given = {name: getattr(parsed, name) for name in option_names(setting).values() if hasattr(parsed, name)}
    for name, lower in RANGES.items():
        if isinstance(given.get(name), tuple):
            given = {lower: given[name][0], **given, name: given[name][1]}
    setting = keep_critic(setting, given)
    return parsed.preset, change(setting, {**(fitted or {}), **given})


def _add_choices(parser: argparse.ArgumentParser) -> None:
    for flag, (part, registry) in CHOICES.items():
        parser.add_argument(
            flag,
            choices=registry.names,
            metavar="NAME",
            help=f"the {registry.kind}, with options of its own below: {', '.join(registry.names)} "
            f"(default: the preset's, {registry.names[0]})",
            dest=f"chosen_{part}",
        )


def _parse_choices(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What a command line chooses by name; whatever is wrong with it is found later."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--preset")
    first.add_argument("--num-types", type=_size_or_range)
    first.add_argument("--hidden-sizes", default=argparse.SUPPRESS)
    for flag, (part, _) in CHOICES.items():
        first.add_argument(flag, dest=f"chosen_{part}")
    try:
        chosen, _ = first.parse_known_args(arguments)
    except argparse.ArgumentError:  # an option without its value
        chosen, _ = first.parse_known_args([])
    for _, (part, registry) in CHOICES.items():
        if getattr(chosen, f"chosen_{part}") not in (None, *registry.names):
            setattr(chosen, f"chosen_{part}", None)
    if chosen.preset not in PRESETS:
        chosen.preset = None
    return chosen


def _start(chosen: argparse.Namespace) -> Setting:
    """The setting of a preset, with the defaults of what is chosen by another name. Raises ValueError."""
    setting = PRESETS[chosen.preset or "default"]
    plain = setting.as_dict()
    game = setting.game
    if chosen.chosen_game not in (None, plain["game"]):
        game = begin_game(GAMES.record(chosen.chosen_game), setting)
    wanted = {part: getattr(chosen, f"chosen_{part}") for part in NAMED}
    learned = setting.with_parts(
        {
            part: NAMED[part].record(name)()
            for part, name in wanted.items()
            if name not in (None, plain[part]["name"])
        }
    )
    as_preset = game is setting.game and wanted["algorithm"] in (None, plain["algorithm"]["name"])
    setting = learned if as_preset else start_for_game(learned.replace(game=game))
    stays = wanted["network"] is not None or hasattr(chosen, "hidden_sizes")
    preset, given = chosen.preset or "default", getattr(chosen, "num_types", None)
    ends = given if isinstance(given, tuple) else (getattr(chosen, "fewest_types", 0), given)
    return many_types.begin_with_types(preset, setting, ends[1], stays=stays, varied=ends[0] > 0)


def _add_old_name(parser: argparse.ArgumentParser, old: str, new: str) -> None:
    """Take an option by the name that it had in older versions, too."""
    action = next(one for one in parser._actions if one.dest == new)
    parser.add_argument(
        "--" + old.replace("_", "-"),
        dest=new,
        type=action.type,  # type: ignore[arg-type]
        action=OldName,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


def _describe_option(allowed: Allowed, default: Any) -> dict[str, Any]:
    unit = f" [{allowed.unit}]" if allowed.unit else ""
    shown = ",".join(map(str, default)) or "none" if isinstance(default, tuple) else default
    text = f"{allowed.meaning}{unit}: {allowed} (default {shown})".replace("%", "%%")
    if allowed.kind == "flag":
        return {"action": argparse.BooleanOptionalAction, "help": text}
    if allowed.kind == "choice":
        return {"choices": allowed.choices, "help": text}
    kinds: dict[str, Any] = {"number": float, "whole": _whole, "sizes": _sizes, "numbers": _numbers}
    return {"type": kinds[allowed.kind], "metavar": allowed.kind.upper(), "help": text}


def _size_or_range(text: str) -> int | tuple[int, int]:
    """`8` → 8, `2-64` → (2, 64)."""
    try:
        return read_sizes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _one_size(text: str) -> int:
    """`8` → 8, in a game whose networks all have as many types."""
    size = _size_or_range(text)
    if isinstance(size, tuple):
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be one whole number; ranges go with --game contract"
        )
    return size


def find_owner(option: str) -> str | None:
    """What has an option that the command line at hand has not: `--game participation or competition`."""
    for flag, (_, registry) in CHOICES.items():
        having = [name for name in registry.names if option in _flags(registry.record(name)())]
        if having:
            return f"{flag} {' or '.join(having)}"
    return None


def _flags(record: Any) -> set[str]:
    """The options of a record, and of those in it."""
    parts = [record, *(getattr(record, field.name) for field in dataclasses.fields(record))]
    names = {field.name for part in parts if dataclasses.is_dataclass(part) for field in options_of(part)}
    flags = {"--" + name.replace("_", "-") for name in names}
    return flags | {short for flag in flags for short in SHORT.get(flag, ())}


def _whole(text: str) -> int:
    """`64` → 64."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number") from None


def _sizes(text: str) -> Sequence[int]:
    """`64,64` → (64, 64)."""
    return _parts(text, int, "whole numbers such as 64,64")


def _numbers(text: str) -> Sequence[float]:
    """`0.5,1` → (0.5, 1.0)."""
    return _parts(text, float, "numbers such as 0.5,1")


def _parts(text: str, kind: Callable[[str], Any], allowed: str) -> tuple[Any, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be {allowed}") from None
