"""What several processes tell each other, without several processes; two real ones are in tests/cli."""

import dataclasses
import socket
import threading
import time

import numpy as np
import pytest

from jaxcontract.evaluation.episode_report import EpisodeReport
from jaxcontract.training import processes as module
from jaxcontract.training.processes import (
    ALONE,
    Processes,
    UnreachableError,
    check_free,
    wait_for,
    with_limit,
)
from jaxcontract.training.spread import pack, unpack
from jaxcontract.training.team import shared_reports


@pytest.fixture
def in_threads(monkeypatch):
    """Run one function as several processes, each a thread: what each returns."""
    own, barrier, laid = threading.local(), None, {}

    def exchange(payload, size):
        assert len(payload) <= size
        barrier.wait(10)
        laid[own.index] = payload.ljust(size, b"\0")
        barrier.wait(10)
        return [laid[index] for index in range(barrier.parties)]

    monkeypatch.setattr(module, "_exchange", exchange)

    def run(function, count):
        nonlocal barrier
        barrier, found = threading.Barrier(count), {}

        def work(index):
            own.index = index
            found[index] = function(Processes(count, index))

        threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        return [found[index] for index in range(count)]

    return run


@pytest.mark.parametrize("sizes", [(0, 0), (1, 1015), (1016, 1017), (5, 100_000), (0, 2, 3000)])
def test_bytes_of_any_length_arrive_whole(sizes, in_threads):
    payloads = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    found = in_threads(lambda one: one.gather(payloads[one.index]), len(sizes))
    assert found == [payloads] * len(sizes)


def test_numbers_are_not_cut_and_process_0_decides(in_threads):
    assert in_threads(lambda one: one.agree(2**60 + one.index), 2) == [2**60] * 2
    assert in_threads(lambda one: one.largest(15 * (one.index == 1)), 3) == [15] * 3
    assert in_threads(lambda one: one.tell(b"%d" % one.index), 2) == [b"0"] * 2


def test_one_that_is_alone_needs_nobody():
    assert (ALONE.gather(b"x"), ALONE.tell(b"y"), ALONE.agree(2**62), ALONE.largest(0)) == (
        [b"x"],
        b"y",
        2**62,
        0,
    )
    assert ALONE.share([1, 2, 3]) == [1, 2, 3]
    assert ALONE.part(0) is None


@pytest.mark.parametrize(("things", "count"), [(5, 2), (2, 2), (7, 3)])
def test_shares_are_contiguous_and_alike(things, count):
    shares = [Processes(count, index).share(range(things)) for index in range(count)]
    assert [one for share in shares for one in share] == list(range(things))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_arrays_keep_every_bit():
    rows = [
        {"a/b": np.array([1 / 3, np.nan, -0.0, 3e9]), "c": np.array(2**60 + 1)},
        {"keys": np.arange(2, dtype=np.uint32), "d": np.ones((2, 0), np.float32), "e": np.array(True)},
    ]
    back = unpack(pack(rows))
    assert [list(row) for row in back] == [list(row) for row in rows]
    for row, other in zip(rows, back, strict=True):
        for name, array in row.items():
            assert (other[name].dtype, other[name].shape) == (array.dtype, array.shape)
            assert other[name].tobytes() == array.tobytes()


def test_a_pickle_is_not_opened():
    with pytest.raises(ValueError, match="allow_pickle"):
        unpack(_pickled())


def _pickled():
    import io

    buffer = io.BytesIO()
    np.savez(buffer, paths=np.array([object()], dtype=object))
    return buffer.getvalue()


def episode_report(value):
    report = object.__new__(EpisodeReport)
    for field in dataclasses.fields(EpisodeReport):
        object.__setattr__(report, field.name, value)
    object.__setattr__(report, "num_states", 3)
    object.__setattr__(report, "values", np.array([value, np.nan]))
    return report


def test_each_process_measures_its_share_and_all_have_the_reports(in_threads):
    measured = []

    def evaluate(_, policy):
        measured.append(policy)
        return episode_report(policy / 3)

    for found in in_threads(lambda one: shared_reports(one, evaluate, [1.0, 2.0, 4.0]), 2):
        assert [report.value for report in found] == [1 / 3, 2 / 3, 4 / 3]
        assert all(type(report) is EpisodeReport and type(report.num_states) is int for report in found)
        assert found[2].values.tobytes() == np.array([4 / 3, np.nan]).tobytes()
    assert sorted(measured) == [1.0, 2.0, 4.0]


def test_reports_with_words_in_them_are_made_everywhere(in_threads):
    found = in_threads(lambda one: shared_reports(one, lambda _, policy: {"said": policy}, ["a", "b"]), 2)
    assert found == [[{"said": "a"}, {"said": "b"}]] * 2


def test_a_port_that_is_taken_is_named():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UnreachableError, match=f"port {port} is taken"):
            check_free(f"127.0.0.1:{port}")
        wait_for(f"127.0.0.1:{port}", 1.0)
    check_free(f"127.0.0.1:{port}")


def test_a_process_that_does_not_answer_is_named_with_the_time_waited():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=f"process 0 does not answer at {place}, for 0.3 s"):
        wait_for(place, 0.3)
    assert time.monotonic() - began < 3


def test_work_that_takes_too_long_is_noticed_while_it_goes_on():
    noticed = threading.Event()
    assert with_limit(0.05, noticed.set, lambda: noticed.wait(10))
    assert with_limit(60.0, lambda: 1 / 0, lambda: "done") == "done"
