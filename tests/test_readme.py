"""The README's code runs, and its commands and options exist."""

import re
from pathlib import Path

import pytest

import jaxcontract as jc
from jaxcontract.options import OneLineParser, add_setting_options
from jaxcontract.settings import PRESETS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_is_an_example_of_ten_lines():
    first = next(block for block in BLOCKS if "optimal_contract" in block)
    assert len([line for line in first.splitlines() if line]) <= 12
    assert len(TEXT.splitlines()) <= 300


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_examples_run(block, capsys):
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    assert "nan" not in printed


def test_scripts_and_pictures_exist():
    for path in re.findall(r"python ([\w/]+\.py)|!\[.*?\]\(([^)]+)\)", TEXT):
        assert (ROOT / (path[0] or path[1])).is_file(), path


def test_options_named_are_options():
    parser = OneLineParser()
    add_setting_options(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    scripts = [path for folder in ("experiments", "benchmarks") for path in (ROOT / folder).glob("*.py")]
    script = "".join(path.read_text("utf-8") for path in [*scripts, ROOT / "tests" / "faults.py"])
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--long"}:
        assert option in known or f'"{option}"' in script, option


def test_names_in_the_table_are_on_the_face():
    table = TEXT.split("| name | paper | what |")[1].split("\n\n")[0]
    names = re.findall(r"`(\w+)`", re.sub(r"\|[^|]*\|[^|]*\|$", "|", table, flags=re.MULTILINE))
    assert names
    assert set(names) <= set(jc.__all__)


def test_presets_described_are_the_presets():
    text = (ROOT / "experiments" / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in PRESETS)
    row = next(line for line in text.splitlines() if line.startswith("| rounds per update"))
    written = re.findall(r"(\d+) × (\d+)", row)
    actual = [(str(PRESETS[name].ppo.batch_size), str(PRESETS[name].ppo.num_updates)) for name in PRESETS]
    assert written == actual
