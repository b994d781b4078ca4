"""Who watches a run from outside: TensorBoard and Weights & Biases hear of each point of the curve. No JAX.

An observer has `note(point)`, for a point as `metrics.jsonl` has it, and `close()`. All points are told
from the first one on, also when a run goes on where it stopped: what an observer has heard before, it does
not keep twice.
"""

import importlib.util
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from jaxcontract.core.fields import first_line
from jaxcontract.storage.files import write_text

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}  # by option; each option is an extra too
PROJECT = "jaxcontract"

Point = Mapping[str, Any]


class Observer(Protocol):
    """Is told each point of a run's curve, in order."""

    def note(self, point: Point) -> None: ...

    def close(self) -> None: ...


class Watching(NamedTuple):
    """Who is to watch.

    project: of Weights & Biases; by default WANDB_PROJECT, or else `jaxcontract`
    """

    tensorboard: bool = False
    wandb: bool = False
    project: str | None = None

    def check_installed(self) -> None:
        """Raises ValueError, in one line that says how to install it, where a library is missing."""
        for option, package in PACKAGES.items():
            if getattr(self, option) and importlib.util.find_spec(package) is None:
                raise ValueError(f'--{option}: needs {package}: pip install "jaxcontract[{option}]"')


class Observers:
    """Several observers as one. One that fails is let go with a line, and the run goes on."""

    def __init__(self, named: Mapping[str, Observer], say: Callable[[str], None]) -> None:
        self.named, self.say = dict(named), say

    def note(self, point: Point) -> None:
        for name in list(self.named):
            self._try(name, lambda observer: observer.note(point))

    def close(self) -> None:
        for name in list(self.named):
            self._try(name, lambda observer: observer.close())
        self.named.clear()

    def _try(self, name: str, tell: Callable[[Observer], None]) -> None:
        try:
            tell(self.named[name])
        except Exception as error:  # a full disk, a server that is gone: none of it may end a training
            del self.named[name]
            self.say(f"--{name}: {first_line(error)}; it is told no more, and training goes on")


def open_observers(
    watching: Watching,
    out: Path,
    seeds: Sequence[int],
    configuration: Mapping[str, Any],
    say: Callable[[str], None],
) -> Observers:
    """Those who are to watch a run in the directory `out`.

    configuration: all that makes the run, plain values; Weights & Biases shows them

    Raises:
        ValueError: in one line, when one of them cannot begin.
    """
    named: dict[str, Observer] = {}
    if watching.tensorboard:
        named["tensorboard"] = TensorBoard(out / "tensorboard", seeds)
    if watching.wandb:
        named["wandb"] = WeightsAndBiases(out, seeds, configuration, watching.project)
    return Observers(named, say)


class TensorBoard:
    """Event files, a directory for each seed, and `run` for what all seeds share; steps are env steps.

    A run that goes on begins new files. They open with a restart at step 0, at which TensorBoard, also one
    that is looking on, lets go of all that it has read before.
    """

    def __init__(self, directory: Path, seeds: Sequence[int]) -> None:
        self.seeds = list(seeds)
        self.writers: dict[int | None, Any] = {None: _event_writer(directory / "run")}
        self.writers |= {seed: _event_writer(directory / f"seed-{seed}") for seed in seeds}

    def note(self, point: Point) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        told: dict[int | None, list[Any]] = {seed: [] for seed in self.writers}
        for name, seed, value in scalars(point, self.seeds):
            told[seed].append(Summary.Value(tag=name, simple_value=value))
        for seed, writer in self.writers.items():
            summary = Summary(value=told[seed])
            event = Event(wall_time=time.time(), step=point["env_steps"], summary=summary)
            writer.write(event.SerializeToString())
            writer.flush()

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


def _event_writer(directory: Path) -> Any:
    """A new file of events.

    Written record by record: tensorboardX's own writer has a thread, which a full disk ends, and then it
    waits for that thread for ever.
    """
    from tensorboardX import RecordWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    try:
        directory.mkdir(parents=True, exist_ok=True)
        writer = RecordWriter(str(directory / f"events.out.tfevents.{time.time_ns()}"))
        start = SessionLog(status=SessionLog.START)
        for event in (
            Event(wall_time=time.time(), file_version="brain.Event:2"),
            Event(wall_time=time.time(), step=0, session_log=start),
        ):
            writer.write(event.SerializeToString())
        writer.flush()
    except OSError as error:
        raise ValueError(f"--tensorboard: {directory} cannot be written ({error.strerror})") from None
    return writer


class WeightsAndBiases:
    """One run of Weights & Biases, `regret/seed-0` and so on; steps are env steps.

    Whether it goes to a server is for WANDB_MODE to say. We tell it the run's configuration and points and
    the last part of the directory's name, and keep from it what is printed.
    """

    def __init__(
        self, out: Path, seeds: Sequence[int], configuration: Mapping[str, Any], project: str | None
    ) -> None:
        import wandb

        self.seeds = list(seeds)
        try:
            self.run = wandb.init(
                project=project or os.environ.get("WANDB_PROJECT") or PROJECT,
                name=out.resolve().name,
                id=_run_id(out / "wandb"),
                resume="allow",
                dir=str(out),
                config=dict(configuration),
                settings={"console": "off"},
            )
        except Exception as error:  # no key, no server, no disk
            raise ValueError(
                f"--wandb: no run could be begun ({first_line(error)}); log in, or set WANDB_MODE=offline"
            ) from None

    def note(self, point: Point) -> None:
        step = point["env_steps"]
        if step < self.run.step:  # a run that went on knows it
            return
        told = {
            name if seed is None else f"{name}/seed-{seed}": value
            for name, seed, value in scalars(point, self.seeds)
        }
        self.run.log(told, step=step)

    def close(self) -> None:
        self.run.finish()


def _run_id(directory: Path) -> str:
    """The name by which the server knows the run, kept where it goes on."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "run-id"
    known = path.read_text("utf-8") if path.is_file() else ""
    if not re.fullmatch(r"[0-9a-f]{8}", known):
        known = os.urandom(4).hex()
        write_text(path, known)
    return known


def scalars(point: Point, seeds: Sequence[int]) -> Iterator[tuple[str, int | None, float]]:
    """(name, seed, value) of every number in a point; seed None for what all seeds share.

    What the learner says of itself is `learner/<name>`. A number that is not defined is left out.
    """
    rest = {name: value for name, value in point.items() if name not in ("env_steps", "learner")}
    rest |= {f"learner/{name}": value for name, value in point["learner"].items()}
    for name, value in rest.items():
        pairs = zip(seeds, value, strict=True) if isinstance(value, list) else [(None, value)]
        yield from ((name, seed, float(one)) for seed, one in pairs if one is not None)
