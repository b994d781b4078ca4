"""What a person asks of a training, new or resumed. No JAX.

How a setting is nested is known here and in `cli.setting_options`; other modules of this command ask a
`Request`.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.cli.setting_options import setting_from_options
from jaxcontract.cli.train.network_file import FittedLaw, fit_law
from jaxcontract.cli.train.options import EXTENDS, read_watching
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import CHOSEN, Setting, change, differences, setting_from_dict, take_defaults
from jaxcontract.core.protocols import Reference
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.storage.files import ensure_private
from jaxcontract.storage.run_directory import read_run
from jaxcontract.training import extension, warmstart
from jaxcontract.training.devices import require_device
from jaxcontract.training.loggers import Watching
from jaxcontract.training.remarks import without_effect

LAW = tuple(field.name for field in dataclasses.fields(NetworkLaw))
NUMBERS = ("eval_states", "curve_states", "curve_points", "checkpoint_every")


class Request(NamedTuple):
    """What a person asked for on the command line."""

    seeds: list[int]
    out: Path | None
    curve_points: int
    eval_states: int
    curve_states: int
    checkpoint_every: int
    preset: str
    setting: Setting
    devices: int | None
    compilation_cache: Path | None
    stall_limit: float
    watching: Watching
    init_from: dict[str, Any] | None = None  # as `warmstart.describe_source` has it
    extended_from: Sequence[int] = ()  # the updates at which it had ended before
    extend_to: int | None = None  # updates, where it is to be extended now
    option: str = "--out"  # what names `out`
    fitted: Sequence[str] = ()  # what was found in a file of networks
    wave: int | None = None  # seeds at a time
    data_parallel: bool = False  # whether it is a seed's rounds that are spread over devices

    @property
    def learner(self) -> LearnerConfig:
        """What the learner is told."""
        return self.setting.algorithm

    @property
    def num_updates(self) -> int:
        """Updates of the whole run."""
        return self.learner.num_updates

    @property
    def game(self) -> str:
        """The game in a few words."""
        return self.setting.game.describe()

    def make_reference(self) -> Reference:
        """What the policies of the run are measured against."""
        game = self.setting.game
        return game.make_reference(*game.make())

    @property
    def configuration(self) -> dict[str, Any]:
        """All that makes the run, for `config.json`: with the same, the same results."""
        from importlib.metadata import version  # slow to import

        names = ("preset", "seeds", "eval_states", "curve_states", "curve_points", "checkpoint_every")
        return {
            "jaxcontract": version("jaxcontract"),
            **{name: getattr(self, name) for name in names},
            "setting": self.setting.as_dict(),
            **({"init_from": self.init_from} if self.init_from else {}),
            **({"extended_from": list(self.extended_from)} if self.extended_from else {}),
            **({"wave": self.wave} if self.wave else {}),
        }

    @property
    def changes(self) -> list[str]:
        """Where the setting differs from its preset, and whether that changes anything."""
        idle = without_effect(self.setting)
        preset = PRESETS[self.preset]
        defaults = take_defaults(self.setting, preset)
        lines = [
            f"{name} = {value} (preset: {other})"
            for name, (value, other) in differences(self.setting, preset).items()
            if name in CHOSEN
        ]
        for name, (value, usual) in differences(self.setting, defaults).items():
            effect = f"; changes nothing where {idle[name]}" if name in idle else ""
            lines.append(f"{name} = {value} (preset: {usual}{effect})")
        for name, value in self.setting.game.learner_defaults.items():
            if getattr(self.learner, name, None) == value:
                lines.append(f"{name} = {value} (where this game starts)")
        return lines

    @property
    def remarks(self) -> list[str]:
        """What the run is played on, and what it is not, bit for bit."""
        begun = warmstart.remarks(self.init_from, self.setting, self.seeds) if self.init_from else []
        more = [extension.remark(self.learner, self.extended_from)] if self.extended_from else []
        return [*self.fitted, *begun, *more]

    def extend(self) -> "Request":
        """The run with as many updates as it is to be extended to."""
        return self._replace(
            setting=change(self.setting, {EXTENDS: self.extend_to}),
            extended_from=[*self.extended_from, self.num_updates],
            extend_to=None,
        )


def check_place(request: Request) -> None:
    """See to it that a run has devices, and a private cache, before it has a directory. Raises ValueError."""
    if not (request.out and request.out.exists()):
        require_device()
    if request.data_parallel:
        _check_spread(request)
    if request.compilation_cache:
        ensure_private(request.compilation_cache, "--compilation-cache")


def _check_spread(request: Request) -> None:
    """See to it that a seed's rounds can be spread over devices. Raises ValueError."""
    from jaxcontract.training.data_parallel import find_devices

    devices = find_devices(request.learner, request.devices)
    if len(devices) == 1:
        raise ValueError(
            "--data-parallel: there is one device to spread rounds over; JAX_NUM_CPU_DEVICES=2 makes two "
            "of a CPU"
        )


def request_new_run(parsed: Any) -> Request:
    """The run that the options ask for. Raises ValueError."""
    # The last two seeds below 2^31 are those of the states that policies are tested on.
    most = 2**31 - 2 - parsed.seeds
    if not 0 <= parsed.first_seed <= most:
        raise ValueError(f"--first-seed {parsed.first_seed}: must be in [0, {most}]")
    given = {name: getattr(parsed, name) for name in LAW if hasattr(parsed, name)}
    fitted = fit_law(parsed.network_file, given) if parsed.network_file else FittedLaw({}, [])
    _check_fitted(parsed, fitted)
    preset, setting = setting_from_options(parsed, fitted.options)
    num_updates = setting.algorithm.num_updates
    if (parsed.curve_points or 1) > num_updates:
        raise ValueError(
            f"--curve-points {parsed.curve_points}: must be in [1, {num_updates}], no more than updates"
        )
    if parsed.init_from and hasattr(parsed, "initial_std"):
        raise ValueError("--initial-std: is of fresh policies, and those of --init-from have their own")
    seeds = list(range(parsed.first_seed, parsed.first_seed + parsed.seeds))
    eval_states, curve_states = setting.game.count_states()
    return Request(
        seeds=seeds,
        out=parsed.out,
        curve_points=parsed.curve_points or min(24, num_updates),
        eval_states=parsed.eval_states or eval_states,
        curve_states=parsed.curve_states or curve_states,
        checkpoint_every=parsed.checkpoint_every or -(-num_updates // 10),
        preset=preset,
        setting=setting,
        devices=parsed.devices,
        compilation_cache=parsed.compilation_cache,
        stall_limit=parsed.stall_limit,
        watching=read_watching(parsed),
        init_from=warmstart.describe_source(parsed.init_from, setting, seeds) if parsed.init_from else None,
        fitted=fitted.said,
        wave=parsed.wave,
        data_parallel=parsed.data_parallel,
    )


def _check_fitted(parsed: Any, fitted: FittedLaw) -> None:
    """Raises ValueError when a file's networks are not of what the other options ask for."""
    if fitted.options and parsed.chosen_game not in (None, "contract"):
        raise ValueError(f"--network-file: goes with --game contract, not with {parsed.chosen_game}")
    size = fitted.options.get("num_types")
    if size not in (None, getattr(parsed, "num_types", size)):
        raise ValueError(f"--num-types {parsed.num_types}: the networks of {parsed.network_file} have {size}")


def request_resumed_run(parsed: Any, others: set[str]) -> Request:
    """The run that a directory holds. Raises ValueError.

    others: options given that do not go with `--resume`
    """
    if others:
        option = "--" + min(others).replace("_", "-")
        raise ValueError(f"{option}: --resume goes on with a run as it was asked for; leave this out")
    run = read_run(parsed.resume)
    request = _request_run(parsed, parsed.resume, run)
    wanted = extension.asked_for(parsed.resume, request.setting, getattr(parsed, EXTENDS, None))
    return request._replace(extend_to=wanted, option="--resume")


def request_told(parsed: Any, run: dict[str, Any]) -> Request:
    """The run that process 0 has found in its directory. Raises ValueError."""
    return _request_run(parsed, parsed.resume or parsed.out, run)


def _request_run(parsed: Any, out: Path | None, run: dict[str, Any]) -> Request:
    setting = _check_run(out, run)
    return Request(
        seeds=run["seeds"],
        out=out,
        **{name: run[name] for name in NUMBERS},
        preset=run["preset"],
        setting=setting,
        devices=parsed.devices,
        compilation_cache=parsed.compilation_cache,
        stall_limit=parsed.stall_limit,
        watching=read_watching(parsed),
        init_from=run.get("init_from"),
        extended_from=run.get("extended_from", []),
        wave=run.get("wave"),
        data_parallel=parsed.data_parallel,
    )


def _check_run(directory: Path | None, run: dict[str, Any]) -> Setting:
    """The setting of a run, when all of its configuration is well formed. Raises ValueError."""
    if "grid" in run:
        raise ValueError(f"--resume {directory}: holds a sweep; `jaxcontract sweep --resume` goes on with it")
    seeds: Any = run.get("seeds")
    well_formed = run.get("preset") in list(PRESETS) and isinstance(seeds, list) and seeds
    if not well_formed or not all(_is_count(run.get(name)) for name in NUMBERS):
        raise ValueError(f"--resume {directory}: holds no run of this program")
    if run.get("wave") is not None and not _is_count(run["wave"]):
        raise ValueError(f"--resume {directory}: holds no run of this program")
    if not all(seed == 0 or _is_count(seed) for seed in seeds):
        raise ValueError(f"--resume {directory}: its seeds must be whole numbers in [0, 2^31)")
    setting = setting_from_dict(run.get("setting"))
    init, ends = run.get("init_from"), run.get("extended_from", [])
    begun_well = init is None or warmstart.is_well_formed(init, len(seeds))
    if not begun_well or not extension.is_well_formed(ends, setting.algorithm.num_updates):
        raise ValueError(f"--resume {directory}: holds no run of this program")
    return setting


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31
