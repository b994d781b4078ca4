"""Text of `--help` that is written by hand, broken anew where a terminal is narrower than it. No JAX."""

import argparse
import re
import textwrap
from collections.abc import Iterator

COLUMN = re.compile(r"\s*\S.*?\s{2,}(?=\S)")  # what stands before the second column of a line

NARROWEST, LEAST = 30, 6  # characters of a column for which a line is not indented by LEAST instead


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of lists and examples, and fills paragraphs up to the width."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = []
        for line, hanging in join_lines(text.strip("\n")):
            column = hanging if width - hanging >= NARROWEST else min(LEAST, hanging)
            filled.append(
                textwrap.fill(
                    line,
                    width,
                    initial_indent=indent,
                    subsequent_indent=indent + " " * column,
                    break_on_hyphens=False,
                )
            )
        return "\n".join(filled)


def join_lines(text: str) -> Iterator[tuple[str, int]]:
    """Lines that go on in the next one, joined to it, and the column in which each goes on."""
    whole, hanging = "", 0
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if whole.strip() and line.strip() and indent == hanging and not whole.rstrip().endswith(":"):
            whole = f"{whole} {line.strip()}"
            continue
        if whole:
            yield whole, hanging
        if not line.strip():
            yield "", 0
            whole, hanging = "", 0
            continue
        column = COLUMN.match(line)
        whole, hanging = line, len(column[0]) if column and indent else indent + 2 * bool(indent)
    if whole:
        yield whole, hanging
