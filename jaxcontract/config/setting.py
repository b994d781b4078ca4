"""What a training run is, short of its seeds: nested records that go to and from JSON. No JAX.

Its parts are the game's own (for the contract game `problem` and `env`), `network`, `policy` and `algorithm`.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from jaxcontract.config import older
from jaxcontract.core.fields import Record, refuse
from jaxcontract.envs.config import ContractGame
from jaxcontract.envs.game import Game
from jaxcontract.envs.registry import GAMES
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.algorithms.registry import ALGORITHMS
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.networks.registry import NETWORKS
from jaxcontract.learning.policies.registry import POLICY_HEADS

# The parts that are chosen by name, and the field of the algorithm's record that has them.
NAMED = {"network": NETWORKS, "policy": POLICY_HEADS, "algorithm": ALGORITHMS}
FIELD = {"network": "network", "policy": "policy_head"}
CHOSEN = ("game", *NAMED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(Record):
    """The game that is played and the learner that plays it. Equal settings make equal runs.

    game:      with a record for each part of it
    algorithm: with the `network` and the `policy_head` that are learned

    Raises:
        ValueError: when the network works on items and the game has none, or the learner climbs the slope of
            the reward, and the game's has none to climb, or uses derivative action where there are no rivals.
    """

    game: Game = dataclasses.field(default_factory=ContractGame)
    algorithm: LearnerConfig = dataclasses.field(default_factory=PPOConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.algorithm.climbs_slope and self.game.without_slope:
            game, learner = GAMES.name_of(self.game), ALGORITHMS.name_of(self.algorithm)
            why = self.game.without_slope
            raise ValueError(f"algorithm = {learner}: cannot learn the game {game}: {why}; choose ppo or sac")
        gain = getattr(self.algorithm, "derivative_gain", 0)
        if gain and not self.game.has_rivals:
            allowed = f"0 in the game {GAMES.name_of(self.game)}, which has one player"
            raise refuse(type(self.algorithm).__name__, "derivative_gain", gain, allowed)
        network = self.algorithm.network
        if getattr(network, "needs_items", False) and not self.game.has_items:
            raise ValueError(
                f"network {NETWORKS.name_of(network)}: works on a list of items, and the game "
                f"{GAMES.name_of(self.game)} has none"
            )

    @property
    def parts(self) -> dict[str, Any]:
        """The records by the names of their parts."""
        own = {field.name: getattr(self.game, field.name) for field in dataclasses.fields(self.game)}
        learned = {part: getattr(self.algorithm, field) for part, field in FIELD.items()}
        return {**own, **learned, "algorithm": self.algorithm}

    def with_parts(self, parts: Mapping[str, Any]) -> "Setting":
        """The setting with other records for some of its parts.

        Raises:
            ValueError: as the records do.
        """
        algorithm = parts.get("algorithm", self.algorithm)
        learned = {field: parts.get(part, self.parts[part]) for part, field in FIELD.items()}
        own = {field.name for field in dataclasses.fields(self.game)} & parts.keys()
        return Setting(
            game=self.game.replace(**{name: parts[name] for name in own}),
            algorithm=algorithm.replace(**learned),
        )

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        plain: dict[str, Any] = {"game": GAMES.name_of(self.game)}
        for part, record in self.parts.items():
            name = {"name": NAMED[part].name_of(record)} if part in NAMED else {}
            own = {field.name: getattr(record, field.name) for field in options_of(record)}
            plain[part] = {**name, **own}
        return plain


def start_for_game(setting: Setting) -> Setting:
    """The setting with what its game says a learner should start from, as far as the learner has it."""
    known = {field.name for field in dataclasses.fields(setting.algorithm)}
    wanted = {name: value for name, value in setting.game.learner_defaults.items() if name in known}
    return setting.replace(algorithm=setting.algorithm.replace(**wanted))


def options_of(record: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a record that a person can choose on a command line."""
    return [field for field in dataclasses.fields(record) if "allowed" in field.metadata]


def leaves(setting: Setting) -> Iterator[tuple[str, dataclasses.Field[Any], Any]]:
    """(part, field, value) of every option."""
    for part, record in setting.parts.items():
        for field in options_of(record):
            yield part, field, getattr(record, field.name)


def option_names(setting: Setting) -> dict[tuple[str, str], str]:
    """What each option is called, by (part, field): its field, behind its part where two parts have it."""
    names = [field.name for _, field, _ in leaves(setting)]
    return {
        (part, field.name): field.name if names.count(field.name) == 1 else f"{part}_{field.name}"
        for part, field, _ in leaves(setting)
    }


def change(setting: Setting, changes: Mapping[str, Any]) -> Setting:
    """A setting with some options changed, each by its name: `{"num_types": 8}`.

    Raises:
        ValueError: as the records do.
    """
    named = option_names(setting)
    changed: dict[str, dict[str, Any]] = {}
    for (part, field), name in named.items():
        if name in changes:
            changed.setdefault(part, {})[field] = changes[name]
    records = {part: setting.parts[part].replace(**own) for part, own in changed.items()}
    return setting.with_parts(records)


def differences(setting: Setting, other: Setting) -> dict[str, tuple[Any, Any]]:
    """The options and names in which two settings differ: {name: (value, other value)}, None for none."""
    pairs: dict[str, list[Any]] = {}
    for position, one in enumerate((setting, other)):
        values = {option_names(one)[part, field.name]: value for part, field, value in leaves(one)}
        plain = one.as_dict()
        values |= {"game": plain["game"], **{part: plain[part]["name"] for part in NAMED}}
        for name, value in values.items():
            pairs.setdefault(name, [None, None])[position] = value
    return {name: (one, two) for name, (one, two) in pairs.items() if one != two}


def take_defaults(setting: Setting, preset: Setting) -> Setting:
    """A preset with the game, network, head and algorithm of a setting: the defaults of what is another."""
    plain, other = setting.as_dict(), preset.as_dict()
    game = preset.game if plain["game"] == other["game"] else begin_game(type(setting.game), preset)
    parts = {
        part: preset.parts[part] if plain[part]["name"] == other[part]["name"] else type(record)()
        for part, record in setting.parts.items()
        if part in NAMED
    }
    defaults = Setting(game=game, algorithm=preset.algorithm).with_parts(parts)
    same_learner = plain["algorithm"]["name"] == other["algorithm"]["name"]
    return defaults if game is preset.game and same_learner else start_for_game(defaults)


def begin_game(cls: type[Game], preset: Setting) -> Game:
    """A game of another kind than a preset's: its defaults, but for parts that both have, as the problem."""
    game = cls()
    theirs = {field.name: getattr(preset.game, field.name) for field in dataclasses.fields(preset.game)}
    shared = {name: part for name, part in theirs.items() if type(getattr(game, name, None)) is type(part)}
    return dataclasses.replace(game, **shared)


def setting_from_dict(values: Any) -> Setting:
    """The inverse of `Setting.as_dict`, from JSON.

    Raises:
        ValueError: on a part or a field that is unknown, or not what its record allows.
    """
    values = older.convert(values) if older.is_older(values) else values
    values = older.fill_in(dict(_object(values, "setting")))
    game_type = GAMES.record(values.pop("game", "contract"))
    game_parts = {field.name: field for field in dataclasses.fields(game_type)}
    known = [*game_parts, *NAMED]
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise ValueError(f"setting.{unknown[0]}: unknown; known are game, {', '.join(known)}")
    default = game_type()
    own = {
        part: _record(type(getattr(default, part)), values[part], f"setting.{part}")
        for part in game_parts
        if part in values
    }
    learned = {part: _named_record(part, values.get(part, {})) for part in NAMED}
    algorithm = learned["algorithm"].replace(**{FIELD[part]: learned[part] for part in FIELD})
    return Setting(game=game_type(**own), algorithm=algorithm)


def _named_record(part: str, values: Any) -> Any:
    values = dict(_object(values, f"setting.{part}"))
    registry = NAMED[part]
    return _record(registry.record(values.pop("name", registry.names[0])), values, f"setting.{part}")


def _record(cls: type, values: Any, where: str) -> Any:
    values = _object(values, where)
    known = [field.name for field in options_of(cls)]
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise ValueError(f"{where}.{unknown[0]}: unknown; known are {', '.join(known)}")
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _object(values: Any, where: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"{where} = {values!r}: must be an object of named values")
    return values
