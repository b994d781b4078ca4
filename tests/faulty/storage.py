"""Checkpoints that are killed while they are written, damaged, truncated, crowded out, or malicious."""

import io
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.core.pytree import Arrays
from jaxcontract.storage.arrays import DamagedError, encode_archive
from jaxcontract.storage.checkpoints import MANIFEST, Checkpoints, NothingLoadableError, Step
from jaxcontract.storage.manifest import digest_bytes, encode_manifest

RUN = {"seeds": [0, 7], "setting": {"learning_rate": 3e-3}}
NOTES = {"curve": [{"update": 0, "regret": [1.5, None]}], "seconds": 0.25, "diverged": {}}
LARGEST_GROWTH = 2**30  # bytes that loading a malicious file may add to this process


def sample(number: int) -> dict[int, Arrays]:
    """Learners' arrays of the kinds that there are, about as large as those of a small run."""
    random = np.random.default_rng(number)
    return {
        seed: {
            "weights/kernel": random.normal(size=(64, 64)).astype(np.float32),
            "optimizer/count": np.asarray(random.integers(1000), np.int32),
            "key": random.integers(2**32, size=2, dtype=np.uint32),
            "flags": random.integers(2, size=5).astype(bool),
        }
        for seed in (0, 7)
    }


def same(one: dict[int, Arrays], other: dict[int, Arrays]) -> bool:
    """Whether two samples are equal bit for bit."""
    return one.keys() == other.keys() and all(
        one[seed].keys() == other[seed].keys()
        and all(
            one[seed][name].dtype == array.dtype and one[seed][name].tobytes() == array.tobytes()
            for name, array in other[seed].items()
        )
        for seed in one
    )


def newest(directory: Path) -> Step | None:
    """What a new process would go on from."""
    return Checkpoints(directory, RUN).newest(sample(0), str)


def saves(directory: Path, update: int) -> bool:
    """Write a step."""
    Checkpoints(directory, RUN).save(update, sample(update), NOTES)
    return True


def apart(name: str, trials: int) -> int:
    """A count of this module, made by a fresh process: one that has used JAX can no longer fork."""
    code = f"from faulty import storage; print(storage.{name}({trials}))"
    command = [sys.executable, "-c", code]
    tests = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, cwd=tests, check=True)
    return int(done.stdout)


def in_a_process(work: Callable[[], bool]) -> bool:
    """The answer of a forked process, which may die; False when it does."""
    child = os.fork()
    if child == 0:
        try:
            code = 0 if work() else 1
        except BaseException:
            code = 2
        os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


# Where a process dies inside `Checkpoints.save`: before or after one of its calls to the system. It syncs
# two archives, the manifest and two directories, and the three files then get their names.
STAGES = (
    ("mkdir", "after", 1),
    ("fsync", "before", 0),
    ("replace", "before", 0),
    ("replace", "after", 0),
    ("replace", "after", 1),
    ("fsync", "before", 2),
    ("replace", "before", 2),
    ("replace", "after", 2),
    ("fsync", "before", 3),
    ("rename", "before", 0),
    ("rename", "after", 0),
    ("fsync", "after", 4),
)


def _die_at(name: str, when: str, call: int) -> None:
    """From now on, end the process at the `call`-th call of a function of the system, counted from 0."""
    function, calls = getattr(os, name), iter(range(call, -1, -1))

    def dying(*arguments: Any) -> Any:
        last = next(calls) == 0
        if last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, dying)


def kills_in_a_save(trials: int) -> int:
    """How many of the kills left a step that loads: the one before, or the new one when it was complete."""
    survived = 0
    for trial in range(trials):
        stage = STAGES[trial % len(STAGES)]
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            in_a_process(lambda directory=directory: saves(directory, 10))

            def dies(directory=directory, stage=stage):
                _die_at(*stage)
                return saves(directory, 20)

            def loads(directory=directory):
                step = newest(directory)
                return step is not None and same(step.arrays, sample(step.update)) and step.notes == NOTES

            died = not in_a_process(dies)
            goes_on = in_a_process(lambda directory=directory: saves(directory, 30))
            survived += died and in_a_process(loads) and goes_on and in_a_process(loads)
    return survived


def _written(folder: Path) -> Path:
    for update in (10, 20):
        Checkpoints(folder, RUN).save(update, sample(update), NOTES)
    return folder


def _damage(trials: int, seed: int, spoil: Callable[[Path, Any], None]) -> tuple[int, int]:
    """Spoil a file of the newest step in each trial: (how often noticed, how often silently wrong)."""
    random = np.random.default_rng(seed)
    noticed = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        clean = _written(Path(folder) / "clean")
        files = sorted(path.relative_to(clean) for path in (clean / "20").rglob("*") if path.is_file())
        for _ in range(trials):
            directory = Path(folder) / "damaged"
            shutil.copytree(clean, directory)
            spoil(directory / files[random.integers(len(files))], random)
            said: list[str] = []
            step = Checkpoints(directory, RUN).newest(sample(0), said.append)
            noticed += len(said) == 1 and step is not None and step.update == 10
            right = step is not None and same(step.arrays, sample(step.update)) and step.notes == NOTES
            wrong += not right
            shutil.rmtree(directory)
    return noticed, wrong


def _flip(path: Path, random: Any) -> None:
    data = bytearray(path.read_bytes())
    if data:
        place = random.integers(8 * len(data))
        data[place // 8] ^= 1 << (place % 8)
        path.write_bytes(data)


def _truncate(path: Path, random: Any) -> None:
    os.truncate(path, random.integers(max(1, path.stat().st_size)))


def bit_flips(trials: int) -> tuple[int, int]:
    """(noticed, silently wrong); a flip that is neither left every bit of the arrays as it was."""
    return _damage(trials, 1, _flip)


def truncations(trials: int) -> tuple[int, int]:
    """(noticed, wrong loads)."""
    return _damage(trials, 2, _truncate)


def crowded(trials: int) -> int:
    """How often a step loads beside foreign files, empty directories and steps without a manifest."""
    random = np.random.default_rng(3)
    right = 0
    with tempfile.TemporaryDirectory() as folder:
        directory = _written(Path(folder) / "steps")
        for trial in range(trials):
            name = str(random.integers(21, 10**6)) if trial % 2 else f"notes-{trial}.txt"
            foreign = directory / name
            foreign.mkdir() if trial % 4 < 2 else foreign.write_text("mine")
            step = newest(directory)
            right += step is not None and step.update == 20 and same(step.arrays, sample(20))
        Checkpoints(directory, RUN).save(30, sample(30), NOTES)
        kept = sum(not path.name.isdigit() for path in directory.iterdir())
        right -= kept < trials // 2  # nothing that is not ours is deleted
    return right


def full_disks(trials: int) -> int:
    """How many saves that hit a limit on the size of files raised OSError and left the step before."""
    random = np.random.default_rng(4)
    kept = 0
    for _ in range(trials):
        limit = int(random.integers(1, 16_000))
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)

            def hits_the_limit(directory=directory, limit=limit):
                Checkpoints(directory, RUN).save(10, sample(10), NOTES)
                unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
                try:
                    Checkpoints(directory, RUN).save(20, sample(20), NOTES)
                except OSError:
                    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
                    step = newest(directory)
                    return step is not None and step.update == 10 and same(step.arrays, sample(10))
                return False

            kept += in_a_process(hits_the_limit)
    return kept


def read_only(trials: int) -> int:
    """How many saves into a directory that may only be read raised OSError and changed nothing."""
    kept = 0
    for _ in range(trials):
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / "steps"
            in_a_process(lambda directory=directory: saves(directory, 10))
            os.chmod(folder, 0o755)
            os.chmod(directory, 0o555)

            def is_refused(directory=directory):
                newest(directory)  # imports what it needs while it may
                if os.geteuid() == 0:  # who may write everywhere would notice nothing
                    os.seteuid(65534)
                try:
                    Checkpoints(directory, RUN).save(20, sample(20), NOTES)
                except OSError:
                    step = newest(directory)
                    return step is not None and step.update == 10
                return False

            kept += in_a_process(is_refused)
            os.chmod(directory, 0o755)
    return kept


class Bomb:
    """Executed by whoever unpickles it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def _in_manifest(step: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """A manifest whose digest is right, changed by somebody who knows how it is made."""
    body = json.loads((step / MANIFEST).read_text())["body"]
    change(body)
    (step / MANIFEST).write_bytes(encode_manifest(body))


def _archive(step: Path, data: bytes) -> None:
    """An archive replaced, and the manifest made to agree."""
    (step / DATA).write_bytes(data)
    stated = {"size": len(data), "sha256": digest_bytes(data)}
    _in_manifest(step, lambda body: body["archives"][DATA].update(stated))


DATA = "seed-0.npz"
MEMBER = "weights/kernel.npy"


def _members(step: Path, change: Callable[[dict[str, bytes]], Any], method: int = zipfile.ZIP_STORED) -> None:
    """Files in an archive changed, and the manifest made to agree."""
    with zipfile.ZipFile(step / DATA) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    _archive(step, made.getvalue())


def _head(step: Path, head: str, numbers: bytes = bytes(4 * 64 * 64)) -> None:
    """An array under another head."""
    text = head.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + numbers
    _members(step, lambda members: members.update({MEMBER: data}))


def _described(dtype: str = "<f4", shape: str = "(64, 64)") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"


def _kernel(step: Path, position: int, value: Any) -> None:
    """What the manifest says of an array changed: of its path, its shape or its dtype."""
    _in_manifest(step, lambda body: body["archives"][DATA]["arrays"][0].__setitem__(position, value))


def _huge(step: Path, size: int) -> None:
    """A file that takes no room on the disk and would take all of the memory, and a manifest that agrees."""
    os.truncate(step / DATA, size)
    _kernel(step, 1, [size // 4])
    _in_manifest(step, lambda body: body["archives"][DATA].update(size=size))


def _twice(step: Path) -> None:
    """An archive with two files of one name."""
    made = io.BytesIO((step / DATA).read_bytes())
    with warnings.catch_warnings(), zipfile.ZipFile(made, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(MEMBER, b"other")
    _archive(step, made.getvalue())


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def _attacks(outside: Path) -> list[Callable[[Path], Any]]:
    """What is done to the newest step; none of it may be loaded, run or written outside."""
    bomb = pickle.dumps(Bomb(outside / "executed"))
    deep = "[" * 200_000 + "]" * 200_000
    gigabytes = 10 * 2**30
    other = encode_archive(sample(10)[0] | {"flags": np.zeros(6, bool)})
    of_data = {
        "archives": {DATA: {"size": 2**50, "sha256": "0" * 64, "arrays": [["x", [2**39] * 60, "<f8"]]}}
    }
    return [
        lambda step: (step / MANIFEST).write_bytes(bomb),
        lambda step: (step / MANIFEST).write_text(deep),
        lambda step: (step / MANIFEST).write_text('{"sha256": "", "body": ' + deep + "}"),
        lambda step: (step / MANIFEST).write_text("{}"),
        lambda step: (step / MANIFEST).write_text("null"),
        lambda step: (step / MANIFEST).write_bytes(b"\xff\xfe\x00"),
        lambda step: os.truncate(step / MANIFEST, 2**33),
        lambda step: _link(step / MANIFEST, Path("/dev/zero")),
        lambda step: _pipe(step / MANIFEST),
        lambda step: _archive(step, bomb),
        lambda step: _archive(step, deep[:20_000].encode()),
        lambda step: _archive(step, (step / DATA).read_bytes()[:-100]),
        lambda step: _archive(step, other),
        lambda step: os.truncate(step / DATA, gigabytes),
        lambda step: _huge(step, gigabytes),
        lambda step: _in_manifest(step, lambda body: body.update(of_data)),
        lambda step: _head(step, _described("|O"), bomb),
        lambda step: _head(step, _described("<f8")),
        lambda step: _head(step, _described(shape=f"({gigabytes},)")),
        lambda step: _head(step, "(" * 3000),
        lambda step: _head(step, f"__import__('os').mkdir({str(outside / 'executed')!r})"),
        lambda step: _head(step, _described(), bytes(4 * 64 * 64 + 1)),
        lambda step: _members(
            step, lambda members: members.update({MEMBER: bytes(2**24)}), zipfile.ZIP_DEFLATED
        ),
        lambda step: _members(step, lambda members: members.update({"../../escaped": b"x"})),
        lambda step: _members(step, lambda members: members.pop(MEMBER)),
        _twice,
        lambda step: _in_manifest(
            step, lambda body: body["archives"].update({"../../escaped": body["archives"][DATA]})
        ),
        lambda step: _kernel(step, 0, 5),
        lambda step: _kernel(step, 1, [-1]),
        lambda step: _kernel(step, 2, "|O"),
        lambda step: _kernel(step, 2, "(1000000000,)f8"),
        lambda step: _in_manifest(step, lambda body: body.update(schema=99)),
        lambda step: _in_manifest(step, lambda body: body.update(kind="policy")),
        lambda step: _in_manifest(step, lambda body: body.update(archives=[1, 2])),
        lambda step: _in_manifest(step, lambda body: body.update(notes="rm -rf")),
        lambda step: _in_manifest(step, lambda body: body["notes"].update(run={"other": 1})),
        lambda step: _in_manifest(step, lambda body: body["notes"].update(update="20")),
        lambda step: _in_manifest(step, lambda body: body["archives"][DATA].update(size=-1)),
        lambda step: _in_manifest(step, lambda body: body["archives"][DATA].update(sha256=None)),
        lambda step: _link(step / DATA, Path("/dev/zero")),
        lambda step: _pipe(step / DATA),
    ]


def malicious(trials: int) -> int:
    """How many attacks on the newest step were noticed, with nothing executed, escaped or allocated."""
    stopped = 0
    with tempfile.TemporaryDirectory() as folder:
        clean = _written(Path(folder) / "clean")
        outside = Path(folder) / "outside"
        outside.mkdir()
        for attack in _attacks(outside)[:trials]:
            directory = Path(folder) / "attacked"
            shutil.copytree(clean, directory)
            attack(directory / "20")
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                step = newest(directory)
                held = step is not None and step.update == 10
            except (DamagedError, NothingLoadableError):
                held = False
            growth = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            escaped = any(outside.iterdir()) or (Path(folder) / "escaped").exists()
            stopped += held and growth < LARGEST_GROWTH and not escaped
            shutil.rmtree(directory)
    return stopped
