"""Steps of a training on disk: written whole, and verified before they are believed.

A step is a directory named by its number of updates, a bundle of kind "checkpoint" (`manifest.py`): one
archive of arrays for each seed, and `manifest.json`, which is written last and says which run it is a step
of. Without a manifest that verifies there is no step. The manifest is held against what the run expects,
and the archives against the manifest, before an array is read.
"""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcontract.core.pytree import Arrays
from jaxcontract.storage.arrays import ArrayEntry, DamagedError, describe_arrays
from jaxcontract.storage.files import sync_directory
from jaxcontract.storage.manifest import (
    Manifest,
    OlderSchemaError,
    read_archives,
    read_manifest,
    verify_archives,
    write_bundle,
)

KEPT = 2  # steps that verify; older ones make room
MANIFEST = "manifest.json"
OLDER = (
    "written by jaxcontract 0.2, whose checkpoints this version does not read: finish the run with that "
    "version, or begin a new one with its policies by --init-from"
)
_STEP = re.compile(r"0|[1-9]\d{0,11}")
_PARTIAL = re.compile(r"\.\d{1,12}\.partial")


class NothingLoadableError(ValueError):
    """There are steps, and none of them verifies."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step that has been verified: the arrays of every seed, and notes as they were given."""

    update: int
    arrays: dict[int, Arrays]
    notes: dict[str, Any]


class Checkpoints:
    """The steps of one run in a directory of their own.

    run:     what makes the run, plain values; a step of another run is never loaded
    earlier: what made it before it was extended; steps of these are steps of the run

    >>> import tempfile
    >>> import numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> checkpoints = Checkpoints(Path(folder.name), {"seeds": [7]})
    >>> checkpoints.save(25, {7: {"weights": np.ones(2)}}, {"seconds": 1.5})
    >>> step = checkpoints.newest({7: {"weights": np.zeros(2)}}, print)  # of this structure
    >>> step.update, step.notes, step.arrays[7]["weights"].tolist()
    (25, {'seconds': 1.5}, [1.0, 1.0])
    >>> folder.cleanup()
    """

    def __init__(
        self, directory: Path, run: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.directory = directory.resolve()
        self.run, *self.earlier = (json.loads(json.dumps(one)) for one in (run, *earlier))

    def save(self, update: int, arrays: Mapping[int, Arrays], notes: Mapping[str, Any]) -> None:
        """Write a step, read it back, and let go of those that are older than the last `KEPT`.

        Raises:
            OSError: when it cannot be written, or does not read back as it was written; the steps that
                were there still are.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._clear_partial()
        partial = self.directory / f".{update}.partial"
        partial.mkdir()
        try:
            write_bundle(
                partial / MANIFEST,
                "checkpoint",
                {"update": update, "run": self.run, "notes": notes},
                {_archive_name(seed): own for seed, own in arrays.items()},
            )
            self._set_aside(update)
            os.rename(partial, self.directory / str(update))
            sync_directory(self.directory)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        self._make_room(update)

    def newest(self, like: Mapping[int, Arrays], say: Callable[[str], None]) -> Step | None:
        """The newest step that verifies; None where there is no step at all.

        like: arrays of every seed with the paths, shapes and dtypes that are expected
        say:  is told once of each step that is passed over, and why

        Raises:
            NothingLoadableError: when there are steps, and none can be loaded.
        """
        updates, older = self.updates(), False
        for update in updates:
            try:
                return self._load(update, like)
            except OlderSchemaError:
                older = True  # said once for all of them
            except DamagedError as error:
                say(f"checkpoint {self.directory / str(update)} is passed over: {error}")
        if updates:
            why = (
                f"its checkpoints were {OLDER}"
                if older
                else f"none of its {len(updates)} checkpoints can be loaded"
            )
            raise NothingLoadableError(f"{self.directory}: {why}")
        return None

    def updates(self) -> list[int]:
        """What has the name of a step and is not empty, whether or not it verifies; newest first."""
        try:
            entries = list(os.scandir(self.directory))
        except FileNotFoundError:
            return []
        named = [entry for entry in entries if _STEP.fullmatch(entry.name) and entry.is_dir()]
        return sorted((int(entry.name) for entry in named if os.listdir(entry.path)), reverse=True)

    def verify(self, update: int) -> None:
        """Read a step, and let go of what it holds.

        Raises:
            DamagedError: when it is not a step of this run, or not as it was written.
        """
        verify_archives(self.directory / str(update) / MANIFEST, self._manifest(update))

    def _is_ours(self, manifest: Manifest) -> bool:
        return manifest.notes["run"] == self.run or manifest.notes["run"] in self.earlier

    def _manifest(self, update: int) -> Manifest:
        manifest = _read_step(self.directory / str(update))
        if not self._is_ours(manifest):
            raise DamagedError("it belongs to another run")
        if manifest.notes["update"] != update:
            raise DamagedError(f"its manifest is of update {manifest.notes['update']}")
        return manifest

    def _load(self, update: int, like: Mapping[int, Arrays]) -> Step:
        manifest = self._manifest(update)
        expected = {_archive_name(seed): describe_arrays(own) for seed, own in like.items()}
        stated = {name: archive.arrays for name, archive in manifest.archives.items()}
        if stated != expected:
            if _but_for_dtypes(stated) == _but_for_dtypes(expected):
                raise DamagedError("its numbers are of another precision; set JAX_ENABLE_X64 as it was")
            raise DamagedError("its arrays are not those of this run")
        loaded = read_archives(self.directory / str(update) / MANIFEST, manifest)
        arrays = {seed: loaded[_archive_name(seed)] for seed in like}
        return Step(update, arrays, manifest.notes["notes"])

    def _make_room(self, newest: int) -> None:
        """Delete steps of this run that are older than the last ones that verify."""
        verified = 0
        for update in self.updates():
            step = self.directory / str(update)
            try:
                manifest = _read_step(step)
                if verified < KEPT:
                    verify_archives(step / MANIFEST, manifest)
            except DamagedError:
                continue
            if verified >= KEPT and update < newest and self._is_ours(manifest):
                shutil.rmtree(step, ignore_errors=True)
            verified += 1

    def _set_aside(self, update: int) -> None:
        """Move what already has the name of a step out of its way: it may be evidence, or not ours."""
        taken = self.directory / str(update)
        if not os.path.lexists(taken):
            return
        names = (self.directory / f"{update}.set-aside-{count}" for count in range(1, 1000))
        os.rename(taken, next(name for name in names if not os.path.lexists(name)))

    def _clear_partial(self) -> None:
        """Delete what an interrupted `save` has left."""
        for entry in os.scandir(self.directory):
            if _PARTIAL.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)


def _archive_name(seed: int) -> str:
    return f"seed-{seed}.npz"


def _but_for_dtypes(described: Mapping[str, Sequence[ArrayEntry]]) -> dict[str, Any]:
    return {name: [entry[:2] for entry in entries] for name, entries in described.items()}


def _read_step(step: Path) -> Manifest:
    """A step's manifest, verified, with the notes that a step has. Raises DamagedError."""
    try:
        manifest = read_manifest(step / MANIFEST, "checkpoint")
    except OlderSchemaError:
        raise OlderSchemaError(OLDER) from None
    except DamagedError as error:
        raise DamagedError(f"its manifest cannot be read ({error})") from None
    update, notes = (manifest.notes.get(name) for name in ("update", "notes"))
    if "run" not in manifest.notes or type(update) is not int or not isinstance(notes, dict):
        raise DamagedError("its manifest does not have the notes of a step")
    return manifest
