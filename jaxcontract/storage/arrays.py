"""Arrays as the bytes of an archive, and back: NumPy's `.npz`, uncompressed. No JAX.

An archive has one member `<path>.npy` for each array, in order. Nothing in it is ever executed: arrays of
objects are neither written nor read. Nothing is believed that it says of its own sizes: which arrays it
must hold, of which shapes and dtypes, is known before it is opened.
"""

import functools
import io
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays

LARGEST_HEAD = 4096  # bytes with which NumPy describes an array
_DTYPE = re.compile(r"[<>|][iufb]\d{1,2}")  # numbers and truth values, of which every bit is a value


class DamagedError(ValueError):
    """What does not verify; the message says why."""


class ArrayEntry(NamedTuple):
    """What an array is, without its numbers.

    path:  in the pytree that it belongs to
    dtype: as NumPy spells it, "<f4"
    """

    path: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def num_bytes(self) -> int:
        """Of its numbers."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


def describe_arrays(arrays: Mapping[str, Any]) -> tuple[ArrayEntry, ...]:
    """The entry of every array, or of everything else that has a shape and a dtype, in order.

    Raises:
        ValueError: naming an array that is not of numbers or truth values.
    """
    entries = []
    for path, array in arrays.items():
        dtype = np.dtype(array.dtype)
        if not _DTYPE.fullmatch(dtype.str):
            raise ValueError(f"{path} is of dtype {dtype}: only whole, real and truth values can be kept")
        entries.append(ArrayEntry(path, tuple(array.shape), dtype.str))
    return tuple(entries)


def parse_entry(entry: Any) -> ArrayEntry:
    """An entry from its JSON, [path, shape, dtype].

    Raises:
        ValueError, TypeError: when it is none.
    """
    path, shape, dtype = entry
    sizes = all(type(size) is int and 0 <= size < 2**40 for size in shape)
    if not (isinstance(path, str) and sizes and _DTYPE.fullmatch(dtype)):
        raise ValueError("an array is not described by its path, shape and dtype")
    np.dtype(dtype)
    return ArrayEntry(path, tuple(shape), dtype)


def largest_archive(entries: Sequence[ArrayEntry]) -> int:
    """Bytes that an archive of these arrays has at most: numbers, heads, and names, which stand twice."""
    return 2**10 + sum(
        entry.num_bytes + LARGEST_HEAD + 2 * len(entry.path.encode()) + 2**8 for entry in entries
    )


def encode_archive(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as an archive. Equal arrays give equal bytes: it has no time of day in it.

    Raises:
        ValueError: naming an array that cannot be kept.
    """
    describe_arrays(arrays)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{path}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def decode_archive(data: bytes, entries: Sequence[ArrayEntry]) -> "Arrays":
    """The arrays of an archive by path, which may not be written to.

    entries: the arrays that it must hold, and no others

    Raises:
        DamagedError: naming what is not as it should be.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sorted(archive.namelist()) != sorted(f"{entry.path}.npy" for entry in entries):
                raise DamagedError("it does not hold the arrays that it should")
            return {entry.path: _read_member(archive, entry) for entry in entries}
    except DamagedError:
        raise
    except Exception as error:  # whatever zipfile makes of bytes that somebody has made to mislead it
        raise DamagedError(f"it is no archive of arrays ({type(error).__name__})") from None


def _read_member(archive: zipfile.ZipFile, entry: ArrayEntry) -> np.ndarray:
    """One array, whose head is held against what it must be before it is believed."""
    with archive.open(f"{entry.path}.npy") as member:
        data = member.read(entry.num_bytes + LARGEST_HEAD)
    head = _usual_head(entry.shape, entry.dtype)
    start = len(head) if data.startswith(head) else _parse_head(data, entry)
    if len(data) != start + entry.num_bytes:
        raise DamagedError(f"{entry.path} has {len(data) - start} bytes or more, not {entry.num_bytes}")
    return np.frombuffer(data, entry.dtype, offset=start).reshape(entry.shape)


@functools.cache
def _usual_head(shape: tuple[int, ...], dtype: str) -> bytes:
    """How this NumPy describes an array: to find just that is ten times faster than to parse it."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": dtype, "fortran_order": False, "shape": shape})
    return head.getvalue()


def _parse_head(data: bytes, entry: ArrayEntry) -> int:
    """Where the numbers begin, after a head that may say the same in another way. Raises DamagedError."""
    head = io.BytesIO(data)
    try:
        np.lib.format.read_magic(head)
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(head)
    except Exception:  # NumPy parses a head as Python code, with whatever errors that has
        raise DamagedError(f"the head of {entry.path} cannot be read") from None
    if (shape, dtype.str) != (entry.shape, entry.dtype) or by_column:
        raise DamagedError(f"{entry.path} is {dtype}{shape}, not {np.dtype(entry.dtype)}{entry.shape}")
    return head.tell()
