"""A new run that begins with the policies of another. No JAX until they are loaded.

What a run begins with is kept in it, in `initial-policy/`, so that it can be begun again when the other run
is gone; its configuration has the sha256 of every file.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcontract.config.setting import Setting, differences, leaves, options_of
from jaxcontract.storage.manifest import digest_bytes
from jaxcontract.storage.policy_files import HEAD, Head, policy_directory, policy_file, read_head

if TYPE_CHECKING:
    from jaxcontract.learning.policies.network_policy import NetworkPolicy
    from jaxcontract.training.seeds import Training

KEPT = "initial-policy"
MUST_AGREE = ("game", "num_types", "actions", "network", "policy")  # and the network's options


def describe_source(path: Path, setting: Setting, seeds: Sequence[int]) -> dict[str, Any]:
    """What a run begins with, plain values for its configuration.

    path:  a run's directory, or that of its policies
    seeds: of the new run. Each takes the policy of the same seed, where there is one for all of them; the
        first takes the first otherwise, and so on, over again when there are more seeds than policies

    Returns the directory, and for each seed whose policy it takes and the sha256 of its file.

    Raises:
        ValueError: one line that says why these policies cannot be those of this setting.
    """
    directory = _directory(path)
    head = read_head(directory)
    must_agree = {*MUST_AGREE, *(field.name for field in options_of(setting.algorithm.network))}
    unlike = {name: pair for name, pair in differences(head.setting, setting).items() if name in must_agree}
    if unlike:
        said = ", ".join(
            f"{name} = {_shown(there)} there, {_shown(here)} here" for name, (there, here) in unlike.items()
        )
        raise ValueError(f"--init-from {path}: its policies do not fit this run: {said}")
    taken = _taken(head, seeds)
    for seed in taken:
        if seed in head.diverged:
            raise ValueError(f"--init-from {path}: {head.told(seed)}")
    try:
        digests = [digest_bytes(policy_file(directory, seed).read_bytes()) for seed in taken]
    except OSError as error:
        raise ValueError(f"--init-from {path}: {error.filename} cannot be read ({error.strerror})") from None
    return {"policy": str(directory), "seeds": taken, "sha256": digests}


def is_well_formed(init: Any, num_seeds: int) -> bool:
    """Whether this is what `describe_source` returns for so many seeds."""
    if not isinstance(init, dict) or not isinstance(init.get("policy"), str):
        return False
    for name, kind in (("seeds", int), ("sha256", str)):
        listed: Any = init.get(name)
        if not isinstance(listed, list) or len(listed) != num_seeds:
            return False
        if not all(type(one) is kind for one in listed):
            return False
    return True


def remarks(init: Mapping[str, Any], setting: Setting, seeds: Sequence[int]) -> list[str]:
    """What such a beginning is, and what it is not, for a person."""
    origin = Path(init["policy"])
    own, taken = (", ".join(map(str, numbers)) for numbers in (seeds, init["seeds"]))
    lines = [
        f"seeds {own} begin with the policies of seeds {taken} in {origin}, their networks and deviations; "
        "not the bits of a longer training, for critics, optimisers, step sizes and random numbers begin anew"
    ]
    try:
        there = read_head(origin).setting
    except ValueError:
        return lines
    game = [field.name for field in dataclasses.fields(setting.game)]
    named = {field.name for part, field, _ in leaves(setting) if part in game}
    changed = {name: pair for name, pair in differences(there, setting).items() if name in named}
    return lines + [
        f"they were trained with {name} = {was}, here it is {now}" for name, (was, now) in changed.items()
    ]


def initial_policies(out: Path | None, init: Mapping[str, Any]) -> list["NetworkPolicy"]:
    """The policies that a run begins with, one for each of its seeds.

    out: the run's directory, if it is known: what it keeps comes before what the other run now has

    Raises:
        ValueError: when they are neither kept nor, unchanged, where they came from, or are not finite.
    """
    import jax
    import numpy as np

    from jaxcontract.storage.policies import load_policy

    places = [*([out / KEPT] if out else []), Path(init["policy"])]
    directory = next((place for place in places if _holds(place, init)), None)
    if directory is None:
        raise ValueError(
            f"--init-from {places[-1]}: the policies that the run began with are gone or changed"
        )
    policies = {seed: load_policy(directory, seed) for seed in set(init["seeds"])}
    for seed, policy in policies.items():
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((policy.weights, policy.parameters))):
            raise ValueError(f"--init-from {init['policy']}: its policy of seed {seed} is not finite")
    return [policies[seed] for seed in init["seeds"]]


def keep_initial_policies(out: Path, init: Mapping[str, Any]) -> None:
    """Copy the policies that a run begins with into its directory, unless they are there.

    Raises:
        OSError: when they cannot be copied.
    """
    kept, origin = out / KEPT, Path(init["policy"])
    if _holds(kept, init):
        return
    partial = out / f".{KEPT}.partial"
    for leftover in (partial, kept):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    for path in (origin / HEAD, *{policy_file(origin, seed) for seed in init["seeds"]}):
        shutil.copy2(path, partial / path.name)
    partial.rename(kept)


def warm_started(training: "Training", policies: Sequence["NetworkPolicy"]) -> "Training":
    """A training whose seeds begin with these policies."""

    def start() -> Any:
        fresh = training.apart(training.start())
        return training.together(
            [one.with_policy(policy) for one, policy in zip(fresh, policies, strict=True)]
        )

    return dataclasses.replace(training, start=start)


def _directory(path: Path) -> Path:
    """Where the policies of a run's directory are, or those of a directory of policies."""
    found = policy_directory(path)
    if not (found / HEAD).is_file():
        raise ValueError(f"--init-from {path}: holds no policies ({HEAD}, or policy/{HEAD})")
    return found.resolve()


def _taken(head: Head, seeds: Sequence[int]) -> list[int]:
    if set(seeds) <= set(head.seeds):
        return list(seeds)
    return [head.seeds[position % len(head.seeds)] for position in range(len(seeds))]


def _holds(directory: Path, init: Mapping[str, Any]) -> bool:
    """Whether the files of a directory are those that a run begins with."""
    pairs = zip(init["seeds"], init["sha256"], strict=True)
    return (directory / HEAD).is_file() and all(
        _digest(policy_file(directory, seed)) == wanted for seed, wanted in pairs
    )


def _digest(path: Path) -> str | None:
    try:
        return digest_bytes(path.read_bytes())
    except OSError:
        return None


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
