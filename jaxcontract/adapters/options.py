"""Options of gymnasium's `make`, by the names that a command line has for them, to an environment."""

import difflib
from typing import Any

from jaxcontract.config.setting import NAMED, Setting, change, leaves, option_names
from jaxcontract.config.size_range import read_sizes
from jaxcontract.envs.registry import GAMES
from jaxcontract.envs.wrappers import REACH, ScaledEnv


def make_scaled(game: str, options: dict[str, Any]) -> tuple[ScaledEnv, Any]:
    """The environment, scaled, and the parameters that options ask for.

    game: its word on a command line

    Raises:
        ValueError: naming the option, its value and what is allowed.
    """
    setting = Setting(game=GAMES.record(game)())
    title = f"{game.capitalize()}-v0"
    named = option_names(setting)
    known = [named[part, field.name] for part, field, _ in leaves(setting) if part not in NAMED]
    _check_names(title, options, known)
    reach = options.get("reach", REACH)
    given = _spread_range(title, {name: options[name] for name in options.keys() - {"reach"}})
    if not given.keys() <= set(known):
        raise ValueError(
            f"{title}: num_types = {options['num_types']!r}: must be a whole number; only Contract-v0 has "
            "networks of various numbers of types"
        )
    env, params = change(setting, given).game.make()
    return ScaledEnv(env=env, reach=reach), params


def _check_names(title: str, options: dict[str, Any], known: list[str]) -> None:
    for name in options.keys() - {*known, "reach"}:
        close = difflib.get_close_matches(name, [*known, "reach"], n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are reach, {', '.join(known)}"
        raise ValueError(f"{title}: unknown option {name!r}; {hint}")


def _spread_range(title: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options with the ends of a range such as num_types="2-64" under their own names. Raises ValueError."""
    given = options.get("num_types")
    if not isinstance(given, str):
        return options
    try:
        ends = read_sizes(given)
    except ValueError as error:
        raise ValueError(f"{title}: num_types = {error}") from None
    if isinstance(ends, int):
        return options | {"num_types": ends}
    return {"fewest_types": ends[0], **options, "num_types": ends[1]}
