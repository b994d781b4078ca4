"""Text files line by line, each of a bounded length; those packed by gzip too. No JAX."""

import gzip
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

LONGEST_LINE = 2**24  # bytes; a file without line breaks is not read into memory


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their breaks, numbered from 1; a byte order mark is left out.

    A file whose name ends in .gz is unpacked as it is read.

    Raises:
        ValueError: naming the row, where it is no such text or too long.
    """
    with _open(path) as file:
        try:
            yield from _read_lines(file)
        except (gzip.BadGzipFile, zlib.error):
            raise ValueError("is not packed by gzip, or damaged") from None
        except EOFError:
            raise ValueError("is packed by gzip and cut short") from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix.lower() != ".gz":
        return path.open("rb")
    return cast(IO[bytes], gzip.GzipFile(path, "rb"))


def _read_lines(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    for row in itertools.count(1):
        line = file.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise ValueError(f"row {row}: is longer than {LONGEST_LINE // 2**20} MiB")
        try:
            text = line.decode("utf-8-sig" if row == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = line[error.start]
            raise ValueError(
                f"row {row}, byte {error.start + 1} (0x{byte:02x}): is not UTF-8 text; save it as UTF-8"
            ) from None
        if "\0" in text:
            raise ValueError(f"row {row}: is not UTF-8 text (it has zero bytes); save it as UTF-8")
        yield row, text
