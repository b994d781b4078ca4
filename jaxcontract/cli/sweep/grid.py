"""The options that a sweep varies, and their values: of the command line, or of a TOML file. No JAX."""

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

MOST = 10_000  # settings

Grid = dict[str, list[str]]  # option: its values as they would stand on a command line
Places = dict[str, str]  # option: where it is varied, for a person


def read_grid(file: Path | None, given: Sequence[str]) -> tuple[Grid, Places]:
    """The grid of a file, and of `name=value,value` each, and where each option of it stands.

    Raises:
        ValueError: one line naming the option, or the file, and what is wrong with it.
    """
    grid = _read_file(file) if file else {}
    places = {name: f"{file}: {name}" for name in grid}
    for text in given:
        name, values = _read_option(text)
        if name in grid:
            raise ValueError(f"--sweep {name}: is varied twice")
        grid[name], places[name] = values, f"--sweep {name}"
    if not grid:
        empty = f"{file}: names no option; " if file else ""
        raise ValueError(
            f"{empty}name what to vary: --sweep learning_rate=1e-3,3e-3, or a file such as grid.toml"
        )
    count = 1
    for name, values in grid.items():
        if name.startswith("no_"):
            raise ValueError(f"{places[name]}: name {name[3:]}, with the values true and false")
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            hint = "; `;` stands between values that have commas" if places[name].startswith("--") else ""
            raise ValueError(f"{places[name]}: has {twice} twice{hint}")
        count *= len(values)
    if count > MOST:
        raise ValueError(f"the grid has {count:,} settings; at most {MOST:,} are trained in one sweep")
    return grid, places


def each_setting(grid: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Every combination of the values, the last option varied first."""
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _read_option(text: str) -> tuple[str, list[str]]:
    """`learning_rate=1e-3,3e-3`; with `;` between values that have commas themselves."""
    name, sign, listed = text.partition("=")
    values = [value.strip() for value in listed.split(";" if ";" in listed else ",")]
    if not sign or not all(values) or not _as_name(name).isidentifier():
        raise ValueError(f"--sweep {text}: must be NAME=VALUE,VALUE")
    return _as_name(name), values


def _read_file(file: Path) -> Grid:
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None
    except (UnicodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{file}: is not TOML ({str(error).splitlines()[0]})") from None
    grid: Grid = {}
    for written, values in found.items():
        name = _as_name(written)
        if name in grid:
            raise ValueError(f"{file}: {written}: is varied twice")
        if not name.isidentifier():
            raise ValueError(f"{file}: {written!r}: must be the name of an option")
        if not isinstance(values, list) or not values:
            raise ValueError(f"{file}: {name} = {values!r}: must be a list of values, such as [1e-3, 3e-3]")
        grid[name] = [_as_text(file, name, value) for value in values]
    return grid


def _as_name(name: str) -> str:
    return name.strip().removeprefix("--").replace("-", "_")


def _as_text(file: Path, name: str, value: Any) -> str:
    """A value as it would stand on a command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and not any(isinstance(part, list | dict) for part in value):
        return ",".join(_as_text(file, name, part) for part in value)
    raise ValueError(f"{file}: {name}: {value!r} must be a number, a word, true, false, or a list of these")
