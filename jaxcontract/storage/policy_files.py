"""What lies beside saved policies: the setting that they were trained in, and their seeds. No JAX.

A directory of policies is a bundle of kind "policy" (`manifest.py`): `policy.json`, its manifest, and
`seed-<seed>.npz`, an archive for each seed. The notes of the manifest:

    jaxcontract  the version that wrote it
    seeds        in order; the first is taken where none is asked for
    precision    of their numbers, "float32" or "float64"
    diverged     by seed, the update and the quantity that was not finite after it; the policy is older
    setting      that they were trained in
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.config.setting import Setting, setting_from_dict
from jaxcontract.storage import policies_schema1
from jaxcontract.storage.manifest import UNREADABLE, Archive, explain, read_manifest

HEAD = "policy.json"  # in the directory of policies: what they are policies of
# Where a run that was trained in waves, or a wave of several settings, has policies.
PARTS = ("waves/*/policy", "waves/*/*/policy", "*/policy")


class Head(NamedTuple):
    """The description of a directory of policies.

    precision: of their numbers, "float32" or "float64"
    diverged:  by seed, the update and the quantity that was not finite after it; the policy is older
    archives:  what the manifest says of them, by file name; None in schema 1, which says nothing
    """

    setting: Setting
    seeds: list[int]
    precision: str
    diverged: dict[int, tuple[int, str]]
    archives: dict[str, Archive] | None

    def told(self, seed: int) -> str:
        """What a person should know of the policy of a seed that diverged."""
        update, quantity = self.diverged[seed]
        others = [other for other in self.seeds if other not in self.diverged]
        use = f"of these seeds it is whole: {others}" if others else "no seed of this run came to its end"
        what = f"seed {seed} diverged in update {update}: its {quantity} is not finite"
        return f"{what}, and its policy is the last one that was; {use}"


def read_head(directory: Path) -> Head:
    """Read the description of a directory of policies.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    path = directory / HEAD
    if not path.exists():
        parts = [found for where in PARTS for found in sorted(directory.glob(f"{where}/{HEAD}"))]
        if parts:
            raise ValueError(
                f"{directory}: has policies in parts; name one, such as {parts[0].parent.parent}"
            )
        raise ValueError(f"{path}: cannot be read, it is not there; a run has policies when it has ended")
    try:
        notes = policies_schema1.read_notes(path)
        if notes is not None:
            return _parse_head(notes, None)
        manifest = read_manifest(path, "policy")
        return _parse_head(manifest.notes, manifest.archives)
    except UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read as a policy's description ({explain(error)})") from None


def _parse_head(notes: dict[str, Any], archives: dict[str, Archive] | None) -> Head:
    """A description from its JSON. Raises one of `UNREADABLE`."""
    precision = notes.get("precision", "float32")
    if precision not in ("float32", "float64"):
        raise ValueError(f"precision {precision!r} is not float32 or float64")
    seeds = [int(seed) for seed in notes["seeds"]]
    if not seeds:
        raise ValueError("it names no seed")
    diverged = {
        int(seed): (int(one["update"]), str(one["quantity"]))
        for seed, one in notes.get("diverged", {}).items()  # older files lack it
    }
    return Head(setting_from_dict(notes["setting"]), seeds, precision, diverged, archives)


def policy_directory(directory: str | os.PathLike[str]) -> Path:
    """Where the policies of a run are, given that or the run's own directory."""
    given = Path(directory)
    inside = given / "policy"
    return inside if not (given / HEAD).exists() and (inside / HEAD).exists() else given


def chosen_seed(directory: Path, seeds: Sequence[int], seed: int | None) -> int:
    """The seed asked for, or the first of those that there are, as a plain number.

    Raises:
        ValueError: one line that says which there are.
    """
    if seed is None:
        return seeds[0]
    if not isinstance(seed, int | np.integer) or int(seed) not in seeds:
        raise ValueError(f"{directory}: has no policy of seed {seed!r}; it has {list(seeds)}")
    return int(seed)


def refuse_diverged(directory: str | os.PathLike[str], seed: int | None = None) -> None:
    """Let nobody use the policy of a seed that diverged without knowing it.

    seed: by default the first

    Raises:
        ValueError: one line naming the seed, the update, the quantity and the seeds that did not diverge.
    """
    folder = policy_directory(directory)
    head = read_head(folder)
    seed = chosen_seed(folder, head.seeds, seed)
    if seed in head.diverged:
        raise ValueError(f"{directory}: {head.told(seed)}")


def policy_file(directory: Path, seed: int) -> Path:
    """Where the numbers of a seed's policy are."""
    return directory / f"seed-{seed}.npz"
