"""What every public name says of itself: arguments, shapes, units, errors and the paper's equation."""

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator

import pytest

import jaxcontract as jc
from jaxcontract.mechanism.rounds import check_rank, check_round, check_state, check_system, one_round
from paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")
PUBLIC = [name for name in jc.__all__ if callable(getattr(jc, name))]
FUNCTIONS = [name for name in PUBLIC if inspect.isfunction(getattr(jc, name))]
RECORDS = [name for name in PUBLIC if dataclasses.is_dataclass(getattr(jc, name))]

# Arguments whose type says all: records that explain themselves, and keys, which the style of JAX explains.
RECORDED = {"System", "NetworkState", "Contract", "NetworkDistribution", "ContractEnv", "PPOConfig"}
PLAIN = {"key", "generator", "self"}

# What is measured in something, and in what.
UNITS = {
    "slot_duration": r"seconds|\[s\]",
    "max_aoi": r"seconds|\[s\]",
    "max_latency": r"seconds|\[s\]",
    "aoi_range": "seconds",
    "latency_range": "seconds",
    "frequency": "updates per slot",
    "cap": "updates per slot",
    "min_frequency": "updates per slot",
    "max_frequency": "updates per slot",
    "cycle": "slots",
    "payment": "paid per round|units of payment",
    "tolerance": "units of payment",
    "margin": "units of payment",
    "safety_margin": "units of payment",
    "num_devices": "devices",
}


def said(name: str) -> str:
    return inspect.getdoc(getattr(jc, name)) or ""


def arguments(name: str) -> dict[str, str]:
    """Fields of a record, parameters of a function, with their annotations as text."""
    value = getattr(jc, name)
    if getattr(value, "_is_protocol", False) or name == "Algorithm":  # members, by signature
        return {}
    if name in RECORDS:
        return {field.name: str(field.type) for field in dataclasses.fields(value) if field.init}
    parameters = inspect.signature(value).parameters.values()
    return {one.name: inspect.formatannotation(one.annotation) for one in parameters}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_and_field_is_explained(name):
    unsaid = [
        argument
        for argument, annotation in arguments(name).items()
        if not re.search(rf"(^|\s|`|, ){argument}(`|:|,|\b.*:)", said(name), re.MULTILINE)
        and annotation.rpartition(".")[2] not in RECORDED
        and argument not in PLAIN
    ]
    assert not unsaid


@pytest.mark.parametrize("name", PUBLIC)
def test_what_has_a_unit_says_it(name):
    for quantity in arguments(name).keys() & UNITS.keys():
        lines = [line for line in said(name).splitlines() if re.search(rf"\b{quantity}\b", line)]
        text = " ".join(lines) or said(name)
        assert re.search(UNITS[quantity], text), quantity


# That a batch is refused where one round belongs stands in `NetworkState`.
OF_ONE_ROUND = {one_round, check_round, check_state, check_system, check_rank}
ARRAYS = r"\b(Array|Contract|NetworkState|ndarray)\b"
SHAPE = r"\[(\.\.\.|[\dA-Z][^\]]*|num_updates)?\]"  # [], [K], [K, K], [4 + 2K], [...]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_returns_arrays_says_their_shape(name):
    returned = inspect.formatannotation(inspect.signature(getattr(jc, name)).return_annotation)
    if re.search(ARRAYS, returned):
        assert re.search(SHAPE, said(name))


# What makes a ValueError, or is one.
VALUE_ERRORS = {"refuse", "unreadable", "DamagedError", "OlderSchemaError"}


def functions_of(value: object) -> Iterator[object]:
    """A function, or what runs when a record or an object is made: its checks."""
    if inspect.isfunction(value):
        yield value
    elif inspect.isclass(value):
        yield from (
            vars(cls)[special]
            for cls in value.__mro__
            for special in ("__init__", "__post_init__")
            if inspect.isfunction(vars(cls).get(special)) and "jaxcontract" in cls.__module__
        )


def errors(value: object, seen: set[object]) -> set[str]:
    """The errors that our own code raises on purpose in this, or in what it calls by name."""
    found: set[str] = set()
    for function in functions_of(value):
        if function in seen or not function.__module__.startswith("jaxcontract"):
            continue
        seen.add(function)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except OSError:  # made by dataclasses
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                raised = ast.unparse(node.exc.func)
                found.add("ValueError" if raised in VALUE_ERRORS else raised)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called = vars(sys.modules[function.__module__]).get(node.func.id)
                # A record made inside has fields that are in order already.
                if inspect.isfunction(called) and called not in OF_ONE_ROUND:
                    found |= errors(called, seen)
    return found


@pytest.mark.parametrize("name", PUBLIC)
def test_errors_raised_are_said(name):
    raised = errors(getattr(jc, name), set())
    section = said(name).partition("Raises:")[2]
    assert {error for error in raised if error not in section} == set()


def equations_of_the_readme() -> dict[str, str]:
    """{name: the paper's equations, as the table of pure functions has them}."""
    table = README.split("| name | paper | what |")[1].split("\n\n")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    return {name: row[2] for row in rows for name in re.findall(r"`(\w+)`", row[1])}


@pytest.mark.parametrize(("name", "numbers"), equations_of_the_readme().items())
def test_the_equation_of_the_readme_is_in_the_docstring(name, numbers):
    first, _, last = numbers.replace("(", "").replace(")", "").strip().partition("–")
    if first.isdigit():
        wanted = range(int(first), int(last or first) + 1)
        assert any(f"({number})" in said(name) for number in wanted)
