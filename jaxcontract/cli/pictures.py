"""A picture is the last thing that a script makes, and its failure costs a line. No matplotlib, no JAX."""

from collections.abc import Callable

from jaxcontract.core.fields import first_line


def attempt(name: str, draw: Callable[[], object], say: Callable[[str], None]) -> list[str]:
    """Draw, when all results are written: the name of the picture in a list, or none where that failed.

    name: of the file
    draw: imports what it needs by itself, so that a broken matplotlib is such a failure too
    say:  is told in one line why there is no picture
    """
    try:
        draw()
    except Exception as error:  # fonts, LaTeX, a full disk: whatever it is, the results are there
        why = f"{type(error).__name__}: {first_line(error)}"
        say(f"{name} could not be drawn ({why}); all other results are written")
        return []
    return [name]
