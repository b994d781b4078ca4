"""Which columns of a file are read, by their names, and what is said of the others. No JAX.

A column is known by its name, whatever the case of its letters and the blanks around it. Columns of other
names are not read, and said to be left out; a name like a known one is taken for a slip and refused.
"""

import difflib
import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

LIKE = 0.75  # difflib's ratio from which a name is a slip of another; device_name and device_types: 0.7
SEPARATION = "columns are separated by commas, semicolons or tabs"
MOST_NAMES, LONGEST_NAME = 8, 40  # of a list of names in a message
MOST_REMARKS = 1000  # on a file of whatever length, and as many names

Names = Sequence[str]


class Choice(NamedTuple):
    """The columns to read.

    names:  [C] as this package calls them
    places: [C] where they stand in the file
    unread: the names of the others, as the file has them
    why: the reason why some of the others are left out that are known, "" where there is none
    label: the place of one more column, of text: what each row is of; None where there is none
    """

    names: Names
    places: Sequence[int]
    unread: Names
    why: str = ""
    label: int | None = None


class Remarks:
    """How a file was read where that is not plain to see, for one line on the screen and for the record."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}  # in order, each once
        self._unread: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Say something of the file."""
        if len(self._said) < MOST_REMARKS:
            self._said[text] = None

    def note_choice(self, names: Names, choice: Choice) -> None:
        """Say what a choice among these names leaves out, and which names it takes in another case."""
        self.note_unread(choice.unread)
        without = sum(not name for name in choice.unread)
        if without:
            self.add(f"{without} column{'s' * (without > 1)} without a name not read")
        if choice.why:
            self.add(choice.why)
        respelt = [
            f"{names[place].strip()} as {name}"
            for name, place in zip(choice.names, choice.places, strict=True)
            if names[place].strip() != name
        ]
        if respelt:
            self.add(f"read {join_names(respelt)}")

    def note_unread(self, names: Names) -> None:
        """Say of names that what they stand for is not read."""
        for name in names:
            if name and len(self._unread) < MOST_REMARKS:
                self._unread[name] = None

    def as_list(self) -> list[str]:
        """Each remark."""
        others = " and others" * (len(self._unread) == MOST_REMARKS)
        return [*self._said, *([f"not read: {join_names(self._unread)}{others}"] if self._unread else [])]


class Wanted(Protocol):
    """What a kind of file is read for.

    lists: the names that stand for a list of numbers in JSON, and for columns x_1, x_2, … in CSV
    alone: the name of the key that a number in place of a JSON record stands for, None where it may not
    lenient: whether cells of the one column read that are no number are handed on, to be counted
    """

    @property
    def lists(self) -> Collection[str]: ...

    @property
    def alone(self) -> str | None: ...

    @property
    def lenient(self) -> bool: ...

    def knows(self, name: str) -> bool:
        """Whether this is the name of a column of ours."""
        ...

    def choose(self, names: Names, word: str, find_numeric: Callable[[], Names]) -> Choice:
        """The columns to read out of those of a file. Raises ValueError when they will not do.

        word: what the format calls one, "column" or "key"
        find_numeric: finds the names of the columns whose first cells are numbers
        """
        ...

    def list_records(self, document: Any, remarks: Remarks) -> Iterator[tuple[int, Any]]:
        """The records of a JSON document, numbered from 1. Raises ValueError when it has another form."""
        ...


def normalise(name: str) -> str:
    """A name without what does not matter in it."""
    return name.strip().casefold()


def find_places(ours: Mapping[int, str], names: Names, word: str) -> dict[str, int]:
    """The place of each of our names, from the name at each place. Raises ValueError where one has two."""
    places: dict[str, int] = {}
    for place, name in ours.items():
        if name in places:
            spelt = {names[at].strip() for at in (places[name], place)}
            how = f" ({' and '.join(sorted(spelt))})" if len(spelt) > 1 else ""
            raise ValueError(f"{word} {name} stands there twice{how}")
        places[name] = place
    return places


def name_column(name: str, word: str, lists: Collection[str] = ()) -> str:
    """A column in a message: `column device_types_2`, or `key device_types, entry 2`."""
    base, _, number = name.rpartition("_")
    return f"key {base}, entry {number}" if word == "key" and base in lists else f"{word} {name}"


@functools.lru_cache(4096)  # the same names come back in many records
def find_slip(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that a name is a slip of, if it looks like one.

    It does when it is one but for a few letters, signs or digits at its end, or is the end of one.
    """
    base = re.sub(r"[^a-z0-9]+", "_", re.sub(r"[\W_]*\d+$", "", normalise(name)))
    ends = [other for other in known if other.endswith("_" + base)]
    close = difflib.get_close_matches(base, known, n=1, cutoff=LIKE)
    return next(iter(close or ends), None)


def join_names(names: Iterable[str]) -> str:
    """Names in a message: so many of them, nothing in them that a terminal would act on."""
    names = list(names)
    told = ", ".join(_make_printable(name) for name in names[:MOST_NAMES])
    return told + f" and {len(names) - MOST_NAMES} more" * (len(names) > MOST_NAMES)


def _make_printable(name: str) -> str:
    text = " ".join(name.split())
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."
