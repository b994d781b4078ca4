"""One wave: members that are trained together in a directory of their own, kept, measured and written."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.cli.train.waves.members import Member, Point
from jaxcontract.core.fields import first_line
from jaxcontract.evaluation.states import CURVE_SEED, TEST_SEED
from jaxcontract.storage.checkpoints import Checkpoints
from jaxcontract.storage.files import json_lines, read_json, strict, write_durably_json, write_text
from jaxcontract.storage.metrics import METRICS
from jaxcontract.storage.policies import save_policies
from jaxcontract.training.checkpointing import InterruptedRunError, Keeper
from jaxcontract.training.learning_curve import Point as CurvePoint
from jaxcontract.training.learning_curve import even_marks, measured_training
from jaxcontract.training.seeds import Training
from jaxcontract.training.signals import Interruption
from jaxcontract.training.summary import measured
from jaxcontract.training.team import Evaluate, Leader

RESULTS = "results.json"  # of a wave, written last
POLICY = "policy"
PAUSE = 30.0  # seconds between checkpoints: a short wave is sooner trained again than saved ten times
DONE = "done"


class Wave(NamedTuple):
    """Members that are trained together, and where."""

    members: list[Member]
    folder: Path


class Ended(NamedTuple):
    """What came of a wave: a row for each member, and the seconds of training for all of them together."""

    rows: list[dict[str, Any]]
    seconds: float


class Context(NamedTuple):
    """What a wave is trained with.

    say:      is told in one line what a person should know
    leader:   process 0, which speaks to the others
    progress: is told of each point of a wave's learning curve, and of how many updates there are
    judges:   by the name of a setting
    """

    interruption: Interruption
    say: Callable[[str], None]
    leader: Leader
    progress: Callable[[CurvePoint, int], None]
    judges: dict[str, "Judge"]


@dataclasses.dataclass
class Judge:
    """What the policies of one setting are measured against; made once, when the first is."""

    point: Point

    @cached_property
    def reference(self) -> Any:
        return self.point.request.make_reference()

    def evaluate(self, policy: Any, states: Any) -> Any:
        return self.reference.evaluate(policy, states)

    @cached_property
    def curve_states(self) -> Any:
        return self.reference.test_states(self.point.request.curve_states, CURVE_SEED)

    @cached_property
    def test_states(self) -> Any:
        return self.reference.test_states(self.point.request.eval_states, TEST_SEED)


def measures_of(members: Sequence[Member], judges: Mapping[str, Judge]) -> dict[str, Evaluate]:
    """What these members' policies are measured by as they learn, and at the end."""
    own = [judges[member.point.name] for member in members]
    return {
        "curve": lambda position, policy: own[position].evaluate(policy, own[position].curve_states),
        "test": lambda position, policy: own[position].evaluate(policy, own[position].test_states),
    }


def read_ended(wave: Wave) -> Ended | None:
    """What came of a wave that has ended; None where it has not."""
    found = read_json(wave.folder / RESULTS)
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
        return None
    whole = len(found["rows"]) == len(wave.members) and isinstance(found.get("seconds"), float)
    return Ended(found["rows"], found["seconds"]) if whole else None


def train_wave(wave: Wave, training: Training, context: Context) -> Ended:
    """Train, measure and write a wave, from where it was saved.

    Raises:
        InterruptedRunError: after saving; NothingLoadableError; OSError when it cannot be written.
    """
    keeper = _keep(wave, training, context)
    now = keeper.start()
    measures, leader = measures_of(wave.members, context.judges), context.leader
    request, settings = wave.members[0].point.request, {member.point.name for member in wave.members}
    points = measured_training(
        training,
        lambda policies: leader.measure("curve", measures["curve"], policies),
        marks=even_marks(request.num_updates, request.curve_points),
        underway=now,
        breaks=keeper.breaks,
        between=keeper,
    )
    try:
        for point in points:
            own = {} if len(settings) == 1 else {"optimum": point.column("optimum")}
            keeper.curve.append(strict(point.as_dict() | own))
            context.progress(point, request.num_updates)
    except InterruptedRunError:
        if keeper.unsaved:
            raise OSError(keeper.unsaved) from None
        raise
    policies = keeper.policies(now)
    reports = leader.measure("test", measures["test"], policies)
    rows = [
        _row(wave, member, report, keeper.diverged.get(member.number))
        for member, report in zip(wave.members, reports, strict=True)
    ]
    ended = Ended(rows, now.seconds)
    _write(wave, keeper, policies, ended)
    return ended


def fail_wave(wave: Wave, error: Exception) -> Ended:
    """Write that a wave could not be trained, and why."""
    why = f"failed: {type(error).__name__}: {first_line(error)}"
    ended = Ended([{**_about(wave, member), "status": why} for member in wave.members], 0.0)
    wave.folder.mkdir(parents=True, exist_ok=True)
    write_durably_json(wave.folder / RESULTS, ended._asdict())
    return ended


def _keep(wave: Wave, training: Training, context: Context) -> Keeper:
    request = wave.members[0].point.request
    names = {member.number: member.name for member in wave.members}
    settings = {one.point.name: one.point.request.setting.as_dict() for one in wave.members}
    made_of = {"members": [[one.point.name, one.seed] for one in wave.members], "settings": settings}
    num_updates, step = request.num_updates, request.checkpoint_every
    return Keeper(
        Checkpoints(wave.folder / "checkpoints", made_of),
        training,
        list(names),
        breaks=[*range(step, num_updates, step), num_updates],
        interruption=context.interruption,
        say=context.say,
        describe=names.__getitem__,
        pause=PAUSE,
    )


def _about(wave: Wave, member: Member) -> dict[str, Any]:
    """Who a row is of."""
    return {**member.point.values, "seed": member.seed, "wave": wave.folder.name}


def _row(wave: Wave, member: Member, report: Any, divergence: Any) -> dict[str, Any]:
    status = DONE if divergence is None else f"diverged in update {divergence.update}"
    own = {**measured(report), "optimum": report.optimum}
    if divergence is not None:
        own = dict.fromkeys(own, float("nan")) | {"optimum": report.optimum}
    return strict({**_about(wave, member), "status": status, **own})


def _write(wave: Wave, keeper: Keeper, policies: Sequence[Any], ended: Ended) -> None:
    """Write the policies, the curve and the rows, and let go of the checkpoints: the wave has ended."""
    points = {member.point.name: member.point for member in wave.members}
    for name, point in points.items():
        own = {
            member.seed: policy
            for member, policy in zip(wave.members, policies, strict=True)
            if member.point.name == name
        }
        diverged = {
            member.seed: keeper.diverged[member.number]
            for member in wave.members
            if member.point.name == name and member.number in keeper.diverged
        }
        save_policies(wave.folder / name / POLICY, own, point.request.setting, diverged)
    write_text(wave.folder / METRICS, json_lines(keeper.curve))
    write_durably_json(wave.folder / RESULTS, ended._asdict())
    shutil.rmtree(wave.folder / "checkpoints", ignore_errors=True)
