"""The directory of a run: `config.json` says what made the run, and only that run goes on in it. No JAX."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.storage.files import ensure_directory, read_json, write_durably_json
from jaxcontract.storage.locking import LOCK, hold, is_lock, let_go

CONFIG = "config.json"
SUMMARY = "summary.json"  # written last
SCHEMA = 2
OLDER = (
    "holds a run of jaxcontract 0.2: end it with that version, or begin one with its policies: --init-from"
)


class RunDirectory(NamedTuple):
    """Where a run writes, and how far it has come there: "new", "begun" or "finished"."""

    path: Path
    state: str


def open_run(
    path: Path | None, preset: str, configuration: Mapping[str, Any], option: str = "--out"
) -> RunDirectory:
    """Make a directory for a run, by default `runs/<preset>-<time>`, or find the same run in it.

    configuration: all that makes the run, plain values
    option:        what asked for the directory

    No other process gets into the directory until `close_run`, or until this one ends.

    Raises:
        ValueError: when the path cannot be a directory, when another process works in it, or when it
            holds another run or anything else, and in what the other run differs. Nothing is ever
            overwritten.
    """
    path = path or _made(preset)
    ensure_directory(path, option)
    _state(path, configuration)  # what is not ours gets no lock either
    hold(path, option)
    try:
        state = _state(path, configuration)
        if state == "new":
            write_durably_json(path / CONFIG, _stamped(configuration))
    except BaseException:
        let_go(path)
        raise
    return RunDirectory(path, state)


def close_run(run: RunDirectory) -> None:
    """Let others into a run's directory."""
    let_go(run.path)


def abandon_run(run: RunDirectory) -> None:
    """Take back a directory in which a run could not begin; what else lies in it stays."""
    if run.state == "new":
        (run.path / CONFIG).unlink(missing_ok=True)
    let_go(run.path)
    if run.state == "new" and not any(run.path.iterdir()):
        run.path.rmdir()


def _state(path: Path, configuration: Mapping[str, Any]) -> str:
    """How far this run has come in a directory. Raises ValueError when something else is there."""
    names = {entry.name for entry in path.iterdir()} - {CONFIG + ".tmp"}
    if is_lock(path / LOCK):
        names -= {LOCK}
    if not names:
        return "new"
    found = read_json(path / CONFIG)
    is_run = isinstance(found, dict) and found.get("schema") == SCHEMA and isinstance(found.get("run"), dict)
    if isinstance(found, dict) and found.get("schema") == 1 and "run" in found:
        raise ValueError(f"--out {path}: {OLDER}")
    if not is_run:
        raise ValueError(f"--out {path}: is not empty; name a new directory")
    changed = list(differences(found["run"], _plain(configuration)))
    if changed:
        raise ValueError(f"--out {path}: holds another run: {'; '.join(changed)}")
    return "finished" if SUMMARY in names else "begun"


def read_run(path: Path) -> dict[str, Any]:
    """What made the run in a directory.

    Raises:
        ValueError: when it holds none that this version can go on with.
    """
    found = read_json(path / CONFIG)
    if not isinstance(found, dict) or not isinstance(found.get("run"), dict):
        raise ValueError(f"--resume {path}: holds no run that can be read ({CONFIG})")
    if found.get("schema") == 1:
        raise ValueError(f"--resume {path}: {OLDER}")
    if found.get("schema") != SCHEMA:
        raise ValueError(f"--resume {path}: has schema {found.get('schema')!r}, this version reads {SCHEMA}")
    run: dict[str, Any] = found["run"]
    return run


def differences(there: Any, asked: Any, where: str = "") -> Iterator[str]:
    """Each value that differs between two configurations, as a person reads it."""
    if isinstance(there, dict) and isinstance(asked, dict):
        # What is of another kind differs in all the rest too.
        kinds = [name for name in ("grid", "game", "name") if there.get(name) != asked.get(name)]
        for name in kinds[:1] or sorted(there.keys() | asked.keys()):
            place = f"{where}.{name}" if where else name
            if not kinds and where and name not in there:
                yield f"{place} is not there: an earlier version began the run"
            else:
                yield from differences(there.get(name), asked.get(name), place)
    elif there != asked:
        yield f"{where or 'it'} is {there!r} there, {asked!r} here"


def version_changes(path: Path) -> list[str]:
    """Each library that is of another version here than where the run in a directory began."""
    found = read_json(path / CONFIG)
    began = found.get("versions") if isinstance(found, dict) else None
    began = began if isinstance(began, dict) else {}
    return [
        f"{name} was {began[name]} when this run began, and is {now}"
        for name, now in _versions().items()
        if name in began and began[name] != now
    ]


def _versions() -> dict[str, str]:
    from importlib.metadata import version  # slow to import

    libraries = ("jax", "jaxlib", "flax", "optax", "numpy")
    return {name: version(name) for name in libraries}


def _stamped(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the versions that the run began with."""
    return {"schema": SCHEMA, "run": _plain(configuration), "versions": _versions()}


def _plain(configuration: Any) -> Any:
    """Values as they come back from JSON."""
    if isinstance(configuration, Mapping):
        return {name: _plain(value) for name, value in configuration.items()}
    if isinstance(configuration, list | tuple):
        return [_plain(value) for value in configuration]
    return configuration


def _made(preset: str) -> Path:
    """A new directory under `runs`, of nobody else's: two commands of one second get one each."""
    parent = Path("runs")
    ensure_directory(parent, "--out")
    stem = f"{preset}-{time.strftime('%Y%m%d-%H%M%S')}"
    for name in (stem, *(f"{stem}-{count}" for count in range(2, 1000))):
        try:
            (parent / name).mkdir()
        except FileExistsError:
            continue
        return parent / name
    raise ValueError(f"--out: {parent / stem} and 998 more names are taken; name a directory")
