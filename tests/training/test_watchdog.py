"""A device that does not answer is noticed, said and left; one that is only slow is waited for."""

import subprocess
import sys
import threading
import time

import pytest

from jaxcontract.training.watchdog import HUNG, Watchdog

FOR_EVER = """
import sys, time
from jaxcontract.training.watchdog import Watchdog
watchdog = Watchdog(0.3, lambda waited, expected: print(f"no answer in {waited} s", file=sys.stderr))
watchdog.run(lambda: time.sleep(60), 1)
"""


def test_a_chunk_that_does_not_end_ends_the_program_with_a_line():
    began = time.monotonic()
    command = [sys.executable, "-c", FOR_EVER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == HUNG == 75
    assert done.stderr == "no answer in 0.3 s\n"
    assert time.monotonic() - began < 10


def test_work_that_ends_in_time_is_returned_and_leaves_no_timer():
    reports = []
    watchdog = Watchdog(5.0, lambda *seconds: reports.append(seconds))
    before = threading.active_count()
    assert watchdog.run(lambda: "done", 3) == "done"
    with pytest.raises(KeyError):
        watchdog.run(lambda: {}["missing"], 1)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert reports == []


def test_what_is_usual_raises_the_limit_and_is_reported():
    reports, codes = [], []

    def watch_divergence(factor):
        dog = Watchdog(0.02, lambda *seconds: reports.append(seconds), factor=factor, leave=codes.append)
        dog.limit = 10.0
        dog.run(lambda: time.sleep(0.1), 1)  # 0.1 s a unit are usual
        dog.limit = 0.02
        dog.run(lambda: time.sleep(0.3), 1)

    watch_divergence(factor=10.0)  # 1 s is allowed
    assert (reports, codes) == ([], [])
    watch_divergence(factor=2.0)  # 0.2 s
    ((waited, expected),) = reports
    assert codes == [HUNG]
    assert waited == pytest.approx(2 * expected)
    assert expected == pytest.approx(0.1, rel=0.5)
