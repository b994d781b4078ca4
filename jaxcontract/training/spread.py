"""A training whose seeds are spread over processes: each trains its own, on its own devices.

No process waits for another within a chunk of updates, and no program spans two of them. So a seed computes,
on a CPU to the bit, what it would alone. Afterwards every process has what all have found.
"""

import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxcontract.core.pytree import Arrays, from_arrays, to_arrays
from jaxcontract.learning.divergence import Divergence
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.training.processes import Processes
from jaxcontract.training.seeds import SeedMetrics, Training


def spread(own: Training, processes: Processes) -> Training:
    """The training of all seeds, of which `own` has this process's share.

    Its learners are those of the share. Every process calls the same of its functions in the same order.
    """
    if processes.count == 1:
        return own

    def advance(learners: Any, count: int) -> tuple[Any, SeedMetrics]:
        learners, metrics = own.advance(learners, processes.agree(count))
        parts = [unpack(part) for part in processes.gather(pack([metrics]))]
        return learners, {name: np.concatenate([part[0][name] for part in parts]) for name in metrics}

    def policies(learners: Any) -> list[NetworkPolicy]:
        found = own.policies(learners)
        return gathered(found, processes, _on_host(found[0]))

    def divergences(learners: Any) -> list[Divergence | None]:
        parts = processes.gather(json.dumps(own.divergences(learners)).encode())
        return [found and Divergence(*found) for part in parts for found in json.loads(part)]

    def apart(learners: Any) -> list[Any]:
        rows = own.apart(learners)
        return gathered(rows, processes, lambda arrays: from_arrays(rows[0], arrays))

    def together(learners: list[Any]) -> Any:
        return own.together(processes.share(learners))

    sizes = [json.loads(part) for part in processes.gather(json.dumps(_sizes(own)).encode())]
    return dataclasses.replace(
        own,
        advance=advance,
        policies=policies,
        divergences=divergences,
        apart=apart,
        together=together,
        num_devices=sum(size["num_devices"] for size in sizes),
        memory_bytes=max(size["memory_bytes"] for size in sizes),
        compile_seconds=max(size["compile_seconds"] for size in sizes),
    )


def gathered(own: Sequence[Any], processes: Processes, rebuild: Callable[[Arrays], Any]) -> list[Any]:
    """The pytrees of all processes, in order; this one's are its own, the others' are built anew."""
    parts = processes.gather(pack([to_arrays(one) for one in own]))
    listed = [[rebuild(arrays) for arrays in unpack(part)] for part in parts[: processes.index]]
    listed.append(list(own))
    listed += [[rebuild(arrays) for arrays in unpack(part)] for part in parts[processes.index + 1 :]]
    return [one for part in listed for one in part]


def pack(rows: Sequence[Arrays]) -> bytes:
    """Arrays as bytes, each with its shape, its dtype and its bits."""
    named: dict[str, Any] = {"paths": np.array(json.dumps([list(row) for row in rows]))}
    for number, row in enumerate(rows):
        named |= {f"{number}-{place}": array for place, array in enumerate(row.values())}
    buffer = io.BytesIO()
    np.savez(buffer, **named)
    return buffer.getvalue()


def unpack(data: bytes) -> list[Arrays]:
    """The inverse of `pack`; nothing in the bytes is ever executed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        paths = json.loads(str(archive["paths"]))
        return [
            {path: archive[f"{number}-{place}"] for place, path in enumerate(row)}
            for number, row in enumerate(paths)
        ]


def _sizes(own: Training) -> dict[str, Any]:
    return {name: getattr(own, name) for name in ("num_devices", "memory_bytes", "compile_seconds")}


def _on_host(like: NetworkPolicy) -> Callable[[Arrays], NetworkPolicy]:
    """How a policy is built of its arrays, without a device to put them on."""
    structure = jax.tree.structure(like)
    return lambda arrays: jax.tree.unflatten(structure, arrays.values())
