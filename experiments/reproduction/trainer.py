"""Train cases, a few at a time, keep what comes out on disk, and measure it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcontract.core.pytree import Arrays, by_path, from_arrays, to_arrays
from jaxcontract.envs.contract import EnvParams
from jaxcontract.evaluation.evaluate import evaluate
from jaxcontract.evaluation.reference import ReferenceSolution, solve_reference
from jaxcontract.evaluation.report import Report
from jaxcontract.evaluation.states import CURVE_SEED, unseen_states
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.storage.manifest import read_archives, read_manifest, write_bundle
from jaxcontract.training.cores import num_places, on_cpu
from jaxcontract.training.learning_curve import Point, measured_training
from jaxcontract.training.seeds import Program, compile_program
from reproduction.cases import Case, Scale
from reproduction.progress import Progress

CURVE_STATES = 1024
CURVE_POINTS = 24
MEASURED = ("reward", "feasible", "regret")
BATCH = 64  # cases that an accelerator trains side by side; a core of a CPU trains one


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainedCase:
    """What a training led to: its policy, and what was measured on the way, each [P].

    sampled: the learner's own reward, of actions drawn from the policy, since the point before
    """

    case: Case
    policy: NetworkPolicy
    env_steps: np.ndarray
    reward: np.ndarray
    feasible: np.ndarray
    regret: np.ndarray
    sampled: np.ndarray


class Trainer:
    """Trains each case once, however many studies ask for it, and goes on where an earlier run stopped."""

    def __init__(self, scale: Scale, out: Path, progress: Progress, num_devices: int | None) -> None:
        self.scale = scale
        self.directory = out / "trainings"
        self.directory.mkdir(exist_ok=True)
        self.progress = progress
        self.num_devices = num_devices or num_places()
        self.width = self.num_devices * (1 if on_cpu() else BATCH)
        self._programs: dict[Any, Program] = {}
        self._templates: dict[Any, Any] = {}
        self._solutions: dict[Any, ReferenceSolution] = {}

    def missing(self, studies: Iterable[Mapping[Any, Sequence[Case]]]) -> list[Case]:
        """The cases of some studies that have no outcome on disk yet, each once."""
        cases = [case for study in studies for group in study.values() for case in group]
        unique = {case.fingerprint: case for case in cases}
        return [case for case in unique.values() if self._load(case) is None]

    def train(self, study: Mapping[Any, Sequence[Case]]) -> dict[Any, list[TrainedCase]]:
        """The outcomes of a study's cases, under the same names."""
        for wave in self._waves(self.missing([study])):
            self._train_wave(wave)
        return {name: [self._outcome(case) for case in cases] for name, cases in study.items()}

    def report(self, outcome: TrainedCase) -> Report:
        """An outcome's policy on the unseen states of its own game."""
        case = outcome.case
        solution = self.solution(case.params)
        return evaluate(outcome.policy, case.env, case.params, states=solution)

    def solution(self, params: EnvParams, *, curve: bool = False) -> ReferenceSolution:
        """The unseen states of a game, solved: for a learning curve or for the final measurement."""
        key = curve, *(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(params))
        if key not in self._solutions:
            count, seed = (CURVE_STATES, CURVE_SEED) if curve else (self.scale.states, 2**31 - 1)
            states = unseen_states(params.distribution, count, seed=seed)
            self._solutions[key] = solve_reference(params.system, states)
        return self._solutions[key]

    def _waves(self, cases: Sequence[Case]) -> list[list[Case]]:
        """Cases of one shape, as many as train at once."""
        groups: dict[Any, list[Case]] = {}
        for case in cases:
            groups.setdefault(case.shape, []).append(case)
        return [
            group[start : start + self.width]
            for group in groups.values()
            for start in range(0, len(group), self.width)
        ]

    def _program(self, case: Case) -> Program:
        kind = case.shape[:-1]  # measuring compiles nothing new
        if kind not in self._programs:
            self.progress.say("compiling")
            self._programs[kind] = compile_program(
                self.width, case.env, case.params, case.config, self.num_devices
            )
        return self._programs[kind]

    def _train_wave(self, wave: Sequence[Case]) -> None:
        first = wave[0]
        training = self._program(first).training(
            [case.seed for case in wave],
            [case.params for case in wave],
            [case.config for case in wave],
        )
        solutions = [self.solution(case.params, curve=True) for case in wave]

        def measure(policies: Sequence[NetworkPolicy]) -> list[Report]:
            return [
                evaluate(policy, case.env, case.params, states=solved)
                for policy, case, solved in zip(policies, wave, solutions, strict=True)
            ]

        work = sum(case.work for case in wave)
        marks = _marks(first.config.num_updates, first.curve)
        points: list[Point] = []
        for point in measured_training(training, measure, marks=marks):
            points.append(point)
            self.progress.within(work * point.update / first.config.num_updates)
        for position, case in enumerate(wave):
            self._save(case, points, position)
        self.progress.advance(work)

    def _path(self, case: Case) -> Path:
        """Where the manifest of a case's outcome is."""
        return self.directory / f"{case.fingerprint}.json"

    def _save(self, case: Case, points: Sequence[Point], position: int) -> None:
        measured = {
            "env_steps": [point.env_steps for point in points],
            **{name: [point.column(name)[position] for point in points] for name in MEASURED},
            "sampled": [point.metrics["reward"][position] if point.metrics else np.nan for point in points],
        }
        outcome = {
            "policy": points[-1].policies[position],
            "measured": {name: np.asarray(column) for name, column in measured.items()},
        }
        notes = {"seed": case.seed, "learner": type(case.config).__name__}
        write_bundle(self._path(case), "study", notes, {"*.npz": to_arrays(outcome)})

    def _load(self, case: Case) -> Arrays | None:
        """The arrays of a case's outcome; None where there are none, or none that verify."""
        path = self._path(case)
        try:
            (arrays,) = read_archives(path, read_manifest(path, "study")).values()
        except ValueError:
            return None
        return arrays

    def _outcome(self, case: Case) -> TrainedCase:
        arrays = self._load(case)
        if arrays is None:
            raise OSError(f"{self._path(case)}: was written and cannot be read back")
        if case.shape not in self._templates:
            key = jax.random.key(0)
            learner = jax.eval_shape(case.config.make().init, key, case.env, case.params, case.config)
            self._templates[case.shape] = learner.policy
        template = self._templates[case.shape]
        return TrainedCase(
            case=case,
            policy=from_arrays(template, {path: arrays[f"policy/{path}"] for path in by_path(template)}),
            **{name: arrays[f"measured/{name}"] for name in ("env_steps", *MEASURED, "sampled")},
        )


def _marks(num_updates: int, curve: bool) -> list[int]:
    """Update counts at which to measure: close together at first, where a learner changes fastest."""
    if not curve:
        return [num_updates]
    spaced = np.geomspace(1, num_updates, CURVE_POINTS).round().astype(int)
    return [0, *np.unique(spaced).tolist()]
