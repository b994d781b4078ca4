"""Text files line by line, each of a bounded length; those packed by gzip too. No JAX."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

LONGEST_LINE = 2**24  # bytes; a file without line breaks is not read into memory
PIECE = 2**16  # bytes that are read at once


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their breaks, numbered from 1; a byte order mark is left out.

    A file whose name ends in .gz is unpacked as it is read.

    Raises:
        ValueError: naming the row, where it is no such text or too long.
    """
    for row, lines in text_blocks(path):
        yield from enumerate(lines, row)


def text_blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The same lines, many at a time, with the number of the first of them."""
    with _open(path) as file:
        try:
            yield from _read_blocks(file)
        except (gzip.BadGzipFile, zlib.error):
            raise ValueError("is not packed by gzip, or damaged") from None
        except EOFError:
            raise ValueError("is packed by gzip and cut short") from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix.lower() != ".gz":
        return path.open("rb")
    return cast(IO[bytes], gzip.GzipFile(path, "rb"))


def _read_blocks(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    rest, row = b"", 1
    while True:
        read = file.read(PIECE)
        piece = rest + read
        if not piece:
            return
        if (piece.find(b"\n") + 1 or len(piece)) > LONGEST_LINE:
            raise ValueError(f"row {row}: is longer than {LONGEST_LINE // 2**20} MiB")
        end = piece.rfind(b"\n") + 1 if read else len(piece)
        rest = piece[end:]
        if not end:
            continue
        lines = _decode(piece[:end], row)
        yield row, lines
        row += len(lines)


def _decode(piece: bytes, row: int) -> list[str]:
    """Whole lines, the first of them with this number."""
    try:
        text = piece.decode("utf-8-sig" if row == 1 else "utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise _find_fault(piece, row)
    return io.StringIO(text, newline="\n").readlines()


def _find_fault(piece: bytes, row: int) -> ValueError:
    """Says which of some lines is not UTF-8 text."""
    for at, line in enumerate(piece.split(b"\n"), row):
        try:
            text = line.decode("utf-8-sig" if at == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte {error.start + 1} (0x{line[error.start]:02x})"
            return ValueError(f"row {at}, {byte}: is not UTF-8 text; save it as UTF-8")
        if "\0" in text:
            return ValueError(f"row {at}: is not UTF-8 text (it has zero bytes); save it as UTF-8")
    raise AssertionError("every line is text")
