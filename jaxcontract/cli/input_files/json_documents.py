"""What one JSON document may hold: states of networks, or a list of costs. No JAX."""

import difflib
from collections.abc import Iterator
from typing import Any

from jaxcontract.cli.input_files.columns import Remarks, normalise
from jaxcontract.cli.input_files.numerals import quote

STATES = 'an object {"system": {constants}, "states": [{one state}, …]}'
COSTS = 'a list of numbers, such as [0.12, 0.3], or of objects, such as [{"cost": 0.12}, {"cost": 0.3}]'


class Twice(dict[str, Any]):
    """An object with one key twice, called `name`."""

    name = ""


def list_states(document: Any, remarks: Remarks) -> Iterator[tuple[int, Any]]:
    """`{"system": {constants}, "states": [{…}, …]}`: the constants go with every state, numbered from 1.

    remarks: where to say which other keys stand beside these two

    Raises:
        ValueError: when the document has another form, or a key like one of these two.
    """
    if not isinstance(document, dict):
        raise ValueError(f"must be {STATES}")
    others = [name for name in document if name not in ("system", "states")]
    for name in others:
        close = difflib.get_close_matches(normalise(name), ["system", "states"], n=1)
        if close:
            raise ValueError(f"key {quote(name)}: did you mean {close[0]}?")
    constants, states = document.get("system", {}), document.get("states")
    if not isinstance(constants, dict) or not isinstance(states, list):
        raise ValueError(f"must be {STATES}")
    for part, name in ((document, ""), (constants, "system: ")):
        if isinstance(part, Twice):
            raise ValueError(f"{name}key {part.name} stands there twice")
    remarks.note_unread(others)
    return enumerate((_merge(row, constants, state) for row, state in enumerate(states, 1)), 1)


def list_costs(document: Any, remarks: Remarks) -> Iterator[tuple[int, Any]]:
    """A list of costs or of records with one each, numbered from 1; also as the states of `list_states`.

    Raises:
        ValueError: when the document has another form.
    """
    if isinstance(document, list):
        return enumerate(document, 1)
    if not isinstance(document, dict) or not isinstance(document.get("states"), list):
        raise ValueError(f"must be {COSTS}")
    return list_states(document, remarks)


def _merge(row: int, constants: dict[str, Any], state: Any) -> Any:
    """A state with the constants of its document."""
    if not isinstance(state, dict) or isinstance(state, Twice):
        return state
    given = set(map(normalise, constants))
    for name in state:
        if normalise(name) in given:
            raise ValueError(f"row {row}, key {name}: stands in system already")
    return constants | state
