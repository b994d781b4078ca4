"""A finished run that is to make more updates: what it had is kept, and its directory is a begun run. No JAX.

The configuration of an extended run says at which updates it had ended before, `extended_from`. Its results
up to there lie in `updates-<number>/`, a run's directory of its own but for the checkpoints.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jaxcontract.config.setting import Setting, change
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.storage.files import read_json, sync_directory, write_durably_json
from jaxcontract.storage.run_directory import CONFIG, SUMMARY

FOLDERS = ("policy",)
PICTURES = ("learning_curve.png", "exploitability.png", "items.png", "market_shares.png", "payments.png")
FILES = (CONFIG, "metrics.jsonl", *PICTURES, SUMMARY)


def earlier_runs(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The configurations that an extended run had before each of its extensions, the first one first."""
    ends = run.get("extended_from", [])
    return [_as_it_was(run, ends[:number], end) for number, end in enumerate(ends)]


def is_well_formed(ends: Any, num_updates: int) -> bool:
    """Whether these can be the updates at which a run of so many had ended before."""
    if not isinstance(ends, list) or not all(type(end) is int for end in ends):
        return False
    steps = [0, *ends, num_updates]
    return all(one < next_one for one, next_one in pairwise(steps))


def asked_for(path: Path, setting: Setting, num_updates: int | None) -> int | None:
    """The updates to which the run in a directory is to be extended; None where it has them already.

    Raises:
        ValueError: when they are fewer than it has, or none that it can have.
    """
    has = setting.algorithm.num_updates
    if num_updates is None or num_updates == has:
        return None
    change(setting, {"num_updates": num_updates})
    if num_updates < has:
        raise ValueError(
            f"--num-updates {num_updates}: must be above {has}, the updates of the run in {path}"
        )
    return num_updates


def _as_it_was(run: Mapping[str, Any], before: list[int], num_updates: int) -> dict[str, Any]:
    others = {name: value for name, value in run.items() if name != "extended_from"}
    setting = run["setting"]
    setting = {**setting, "algorithm": {**setting["algorithm"], "num_updates": num_updates}}
    return {**others, **({"extended_from": before} if before else {}), "setting": setting}


def extend(path: Path, run: Mapping[str, Any]) -> Path:
    """Make the finished run in a directory one that goes on as `run`: where its results are now.

    Whenever this is interrupted, the directory holds the finished run or the extended one, whole: the
    results are copied first, then the configuration changes, and then what was copied goes.

    run: the extended configuration

    Raises:
        ValueError: when the checkpoint to go on from does not verify, or something else has the place of
            the results. Nothing has changed then.
        OSError: when the disk is full, or may not be written. The finished run is as it was.
    """
    end = run["extended_from"][-1]
    _verify(path, earlier_runs(run)[-1], end)
    kept = _set_aside(path, end)
    write_durably_json(path / CONFIG, {**read_json(path / CONFIG), "run": dict(run)})
    forget_earlier_results(path, end)
    return kept


def forget_earlier_results(path: Path, end: int) -> bool:
    """Delete results that belong to a run before its extension and have been kept: whether there were any."""
    kept = _place(path, end)
    if not _same(path / SUMMARY, kept / SUMMARY):
        return False
    for name in FOLDERS:
        shutil.rmtree(path / name, ignore_errors=True)
    for name in (*PICTURES, SUMMARY):
        (path / name).unlink(missing_ok=True)
    return True


def remark(algorithm: LearnerConfig, ends: Sequence[int]) -> str:
    """What a run is, and what it is not, that had ended at some updates and was extended there."""
    where = f"extended at update {' and at '.join(map(str, ends))}"
    whole = f"one run of {algorithm.num_updates} updates"
    if algorithm.learning_rate == algorithm.final_learning_rate:
        return f"{where}: the step size is constant, so these are, on a CPU, the bits of {whole}"
    share = ends[-1] / (algorithm.num_updates - 1)
    rate = algorithm.learning_rate + (algorithm.final_learning_rate - algorithm.learning_rate) * share
    return (
        f"{where}: not the bits of {whole}, which would have had other step sizes up to there; "
        f"from there they go from {rate:.3g} to {algorithm.final_learning_rate:.3g}"
    )


def _verify(path: Path, run: Mapping[str, Any], end: int) -> None:
    from jaxcontract.storage.arrays import DamagedError
    from jaxcontract.storage.checkpoints import Checkpoints

    try:
        Checkpoints(path / "checkpoints", run).verify(end)
    except DamagedError as error:
        raise ValueError(
            f"--resume {path}: cannot be extended, its checkpoint of update {end} does not verify ({error})"
        ) from None


def _set_aside(path: Path, end: int) -> Path:
    """Copy the results of a finished run to where they stay."""
    kept = _place(path, end)
    if _same(path / SUMMARY, kept / SUMMARY):
        return kept  # an extension that was interrupted has copied them
    if os.path.lexists(kept):
        raise ValueError(f"--resume {path}: {kept.name} is there already, where its results are to be kept")
    partial = path / f".{kept.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name in FOLDERS:
            if (path / name).is_dir():
                shutil.copytree(path / name, partial / name)
        for name in FILES:
            if (path / name).is_file():
                shutil.copy2(path / name, partial / name)
        _sync(partial)
        partial.rename(kept)
        sync_directory(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return kept


def _place(path: Path, end: int) -> Path:
    return path / f"updates-{end}"


def _same(one: Path, other: Path) -> bool:
    """Whether two files are there and alike."""
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _sync(directory: Path) -> None:
    """Return when the disk has all that is in a directory."""
    for folder, _, files in os.walk(directory):
        for name in files:
            with open(os.path.join(folder, name), "rb") as opened:
                os.fsync(opened.fileno())
        sync_directory(Path(folder))
