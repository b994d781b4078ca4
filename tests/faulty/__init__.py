"""Faults put into runs, files, numbers and command lines, and what came of them: see `tests/faults.py`."""
