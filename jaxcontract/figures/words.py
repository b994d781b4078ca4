"""What the measures of a run are called, which depends on its game."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Words(NamedTuple):
    """Names of what every run measures; of axes with their units.

    reward, regret: of a column; optimum: of what nobody beats
    reward_axis, distance_axis, regret_axis: of the reward, of its distance from the optimum, of the regret
    """

    reward: str
    optimum: str
    regret: str
    reward_axis: str
    distance_axis: str
    regret_axis: str


UNIT = "(units of payment)"
CONTRACTS = Words(
    "reward (13)",
    "optimum",
    "regret",
    f"test reward (13)\n{UNIT}",
    f"test reward (13), less\nthe optimum's {UNIT}",
    f"mean regret U$_B^*$ − U$_B$ of\nfeasible contracts {UNIT}",
)
STATIONS = Words(
    "utility",
    "equilibrium",
    "could gain",
    f"utility of a station\n{UNIT}",
    f"utility of a station, less\nthe equilibrium's {UNIT}",
    f"what a station could gain by\nanother contract {UNIT}",
)
EPISODES = Words(
    "value",
    "upper bound",
    "below bound",
    f"value of an episode\n{UNIT}",
    f"value of an episode, less\nthe upper bound {UNIT}",
    f"upper bound less value\n{UNIT}",
)
OF_SEVERAL_GAMES = Words(
    "reward",
    "best",
    "regret",
    f"test reward of each game\n{UNIT}",
    f"test reward, less\nthe best {UNIT}",
    f"regret as each game has it\n{UNIT}",
)
BY_MEASURE: Mapping[str, Words] = {"exploitability": STATIONS, "share_of_bound": EPISODES}


def find_words(measures: Iterable[str]) -> Words:
    """The words of the game whose runs have these measures."""
    return next((words for name, words in BY_MEASURE.items() if name in measures), CONTRACTS)
