"""What lies beside saved policies: the setting that they were trained in, and their seeds. No JAX."""

import json
from pathlib import Path
from typing import NamedTuple

from jaxcontract.settings import Setting, setting_from_dict

SCHEMA = 1
HEAD = "policy.json"


class Head(NamedTuple):
    """The description of a directory of policies.

    precision: of their numbers, "float32" or "float64"
    """

    setting: Setting
    seeds: list[int]
    precision: str


def read_head(directory: Path) -> Head:
    """Read the description of a directory of policies.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    path = directory / HEAD
    try:
        head = json.loads(path.read_text("utf-8"))
        if head["schema"] != SCHEMA:
            raise ValueError(f"schema {head['schema']!r}, this version reads {SCHEMA}")
        precision = head.get("precision", "float32")
        if precision not in ("float32", "float64"):
            raise ValueError(f"precision {precision!r} is not float32 or float64")
        seeds = [int(seed) for seed in head["seeds"]]
        if not seeds:
            raise ValueError("it names no seed")
        return Head(setting_from_dict(head["setting"]), seeds, precision)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: cannot be read as a policy's description ({error})") from None


def policy_file(directory: Path, seed: int) -> Path:
    """Where the numbers of a seed's policy are."""
    return directory / f"seed-{seed}.npz"
