"""What a training run is, short of its seeds: a plain record that goes to and from JSON. No JAX."""

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

from jaxcontract.core.fields import Record
from jaxcontract.envs.config import EnvNumbers, EnvOptions
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import PAPER_RANGE, check_quality

R = TypeVar("R")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(Record):
    """The game that is played and the learner that plays it. Equal settings make equal runs.

    Raises:
        ValueError: when no contract of the game has a quality of data, as with slots of 2 s.
    """

    options: EnvOptions = dataclasses.field(default_factory=EnvOptions)
    numbers: EnvNumbers = dataclasses.field(default_factory=EnvNumbers)
    system: System = dataclasses.field(default_factory=System)
    ppo: PPOConfig = dataclasses.field(default_factory=PPOConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.system, PAPER_RANGE[1], PAPER_RANGE[1])

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        return dataclasses.asdict(self)


# What the paper leaves out is filled in as the README's table says.
_PAPER = PPOConfig(
    num_updates=2000,
    num_envs=1,
    num_steps=512,
    epochs=10,
    minibatches=1,
    estimator="paper",
    normalize_advantages=False,
    learning_rate=1e-4,
    final_learning_rate=1e-4,
    discount=0.95,
    gae_lambda=1.0,
    clip_range=0.2,
    max_gradient_norm=1e9,
)

# Raw actions must learn where the constraints are: small, frequent steps keep the noise wide enough to
# see across them, and the safety margin keeps what is learned inside.
_RAW = PPOConfig(
    num_updates=4000,
    num_envs=4096,
    epochs=2,
    minibatches=2,
    learning_rate=5e-4,
    clip_range=0.2,
)

# Profit per quality and slots at which hiding types is worth something: 3.4 % of U_B, not 0.02 %.
STRESS = System(unit_profit=1.0, slot_duration=0.1)

PRESETS = {
    "default": Setting(),
    "raw": Setting(options=EnvOptions(actions="raw"), numbers=EnvNumbers(safety_margin=0.003), ppo=_RAW),
    "paper": Setting(options=EnvOptions(actions="raw", reward="paper"), ppo=_PAPER),
    "stress": Setting(system=STRESS),
}
PRESET_MEANINGS = {
    "default": "feasible actions and centred reward: finds the optimum",
    "raw": "raw actions and centred reward, with the budget that they need",
    "paper": "Algorithm 1 as printed: raw actions, reward (13), N = 512, one round after another",
    "stress": "the default where screening is worth 3.4 % of U_B: profit β = 1, slots of t = 0.1 s",
}


def setting_from_dict(values: Any) -> Setting:
    """The inverse of `Setting.as_dict`, from JSON.

    Raises:
        ValueError: on a field that is unknown, or not what its record allows.
    """
    return _record_from_dict(Setting, values, "setting")


def change(setting: Setting, changes: dict[str, Any]) -> Setting:
    """A setting with some leaves changed, each named by its field: `{"num_types": 8}`.

    Field names are unique across the setting's records. Raises ValueError as the records do.
    """
    parts = {}
    for part in dataclasses.fields(setting):
        record = getattr(setting, part.name)
        own = {field.name for field in dataclasses.fields(record)} & changes.keys()
        parts[part.name] = record.replace(**{name: changes[name] for name in own})
    return Setting(**parts)


def differences(setting: Setting, other: Setting) -> dict[str, tuple[Any, Any]]:
    """The leaves in which two settings differ: {name: (value, other value)}."""
    pairs = zip(leaves(setting), leaves(other), strict=True)
    return {field.name: (one, two) for (_, field, one), (_, _, two) in pairs if one != two}


def leaves(setting: Setting) -> Iterator[tuple[str, dataclasses.Field[Any], Any]]:
    """(part, field, value) of every leaf."""
    for part in dataclasses.fields(setting):
        record = getattr(setting, part.name)
        for field in dataclasses.fields(record):
            yield part.name, field, getattr(record, field.name)


def _record_from_dict(cls: type[R], values: Any, where: str) -> R:
    if not isinstance(values, dict):
        raise ValueError(f"{where} = {values!r}: must be an object of named values")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ValueError(f"{where}.{unknown[0]}: unknown; known are {', '.join(fields)}")
    built = {}
    for name, value in values.items():
        inner: Any = fields[name].type
        if dataclasses.is_dataclass(inner):
            value = _record_from_dict(inner, value, f"{where}.{name}")  # type: ignore[arg-type]
        built[name] = tuple(value) if isinstance(value, list) else value
    return cls(**built)
