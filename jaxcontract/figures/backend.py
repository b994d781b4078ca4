"""Open matplotlib, and draw the same whatever a person's MPLBACKEND and matplotlibrc ask for.

Nothing here opens a window, so no backend is needed. A notebook leaves MPLBACKEND to the programs that it
starts, and matplotlib refuses to be imported where it does not know the name; a matplotlibrc may ask for
LaTeX that is not installed, or for fonts that lack a Greek letter. Imported before anything else that
imports matplotlib.
"""

import contextlib
import os
import sys
from collections.abc import Iterator


def _open() -> None:
    """Import matplotlib without MPLBACKEND, and set that afterwards where it is a backend."""
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked
    if asked:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = asked


if "matplotlib" not in sys.modules:
    _open()

import matplotlib  # noqa: E402


@contextlib.contextmanager
def at_defaults() -> Iterator[None]:
    """While it is entered, or in a function that it decorates, matplotlib's own style; the person's after."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
