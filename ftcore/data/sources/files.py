"""Which files a path stands for, and streams of records out of them."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ftcore.data.errors import DataError
from ftcore.data.sources.rows import Record

LARGEST_ELEMENT = 64 << 20
"""Characters that one element of a JSON list may have; past them the file is broken, not long."""

READ_BYTES = 1 << 20
SPACE = " \t\r\n"
NUMBER_GOES_ON = "0123456789.eE+-"  # and the empty string, where the window ends


def data_files(path: str, suffixes: Sequence[str], deep: bool = False) -> list[Path]:
    """The file, or a folder's files with one of `suffixes` sorted by name (the order of rows depends on it).

    With `deep` the files of every folder come before those of the folders inside it, which follow by name.
    DataError where there is none.
    """
    root = Path(path).expanduser()
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise DataError(f"{path}: no such file or folder")
    files = _below(root, suffixes) if deep else _matching(root, suffixes)
    if files:
        return files
    wanted = " or ".join("*" + suffix for suffix in suffixes)
    if deep:
        raise DataError(f"{path}: no {wanted} file in this folder or one inside it")
    holders = [entry for entry in sorted(root.iterdir()) if entry.is_dir() and _matching(entry, suffixes)]
    hint = f"; did you mean {holders[0]}?" if holders else ""
    raise DataError(f"{path}: no {wanted} file in this folder{hint}")


def json_records(files: Sequence[Path]) -> Iterator[Record]:
    """Records of JSON-lines files and of files that are one JSON list, told apart by their first character.

    Empty lines are not rows.
    """
    for path in files:
        yield from _list_records(path) if _first_byte(path) == b"[" else line_records([path])


def line_records(files: Sequence[Path]) -> Iterator[Record]:
    """One record a line that is not empty; only one line is held at a time."""
    for path in files:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                if not line.isspace():
                    yield Record(str(path), number, line, len(line))


def _below(root: Path, suffixes: Sequence[str]) -> list[Path]:
    found = []
    for folder, names, _ in os.walk(root, followlinks=True):
        names[:] = sorted((name for name in names if not name.startswith(".")), key=os.fsencode)
        found += _matching(Path(folder), suffixes)
    return found


def _matching(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    names = sorted(
        (entry.name for entry in os.scandir(folder)
         if entry.is_file() and entry.name.endswith(tuple(suffixes)) and not entry.name.startswith(".")),
        key=os.fsencode,
    )  # fmt: skip
    return [folder / name for name in names]


def _opened(path: Path):
    try:
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _first_byte(path: Path) -> bytes:
    with _opened(path) as file:
        while (byte := file.read(1)) and byte.isspace():
            pass
        return byte


def _list_records(path: Path) -> Iterator[Record]:
    """The elements of one JSON list, with at most a few elements of text in memory.

    A syntax error always raises: what follows it in a list cannot be told apart into rows.
    """
    decoder = json.JSONDecoder()
    with _opened(path) as file:
        window = _Window(path, file)
        window.skip("[")
        if window.peek() == "]":
            return window.finish()
        while True:
            window.peek()
            line = window.line
            value, length = window.element(decoder)
            yield Record(str(path), line, value, length)
            match window.peek():
                case ",":
                    window.skip(",")
                case "]":
                    return window.finish()
                case other:
                    raise DataError(f"{path}, line {window.line}: expected ',' or ']', found {other!r}")


class _Window:
    """The part of a text file between what was consumed and what was read."""

    def __init__(self, path: Path, file) -> None:
        self.path, self.file = path, file
        self.text, self.start, self.line = "", 0, 1
        self.rest, self.ended = b"", False

    def peek(self) -> str:
        """The next character that is not space, skipping to it; DataError at the end of the file."""
        while True:
            while self.start < len(self.text) and self.text[self.start] in SPACE:
                self.line += self.text[self.start] == "\n"
                self.start += 1
            if self.start < len(self.text):
                return self.text[self.start]
            if not self.fill():
                raise DataError(f"{self.path}, line {self.line}: the JSON list is not closed")

    def skip(self, expected: str) -> None:
        assert self.peek() == expected
        self.start += 1

    def finish(self) -> None:
        """Takes the closing bracket; DataError where anything but space follows it."""
        self.skip("]")
        while self.fill():
            pass
        if self.text[self.start :].strip():
            raise DataError(f"{self.path}, line {self.line}: text after the end of the JSON list")

    def element(self, decoder: json.JSONDecoder) -> tuple[object, int]:
        """The next JSON value and its length in characters."""
        while True:
            try:
                value, end = decoder.raw_decode(self.text, self.start)
            except (json.JSONDecodeError, RecursionError) as error:
                line = self.line + self.text.count("\n", self.start, getattr(error, "pos", self.start))
                if len(self.text) - self.start > LARGEST_ELEMENT or not self.fill():
                    reason = getattr(error, "msg", error)
                    raise DataError(f"{self.path}, line {line}: invalid JSON: {reason}") from error
                continue
            # A number may go on behind the end of the window (12|34, 0.|5).
            goes_on = self.text[end : end + 1] in NUMBER_GOES_ON and end - self.start < LARGEST_ELEMENT
            if goes_on and self.fill():
                continue
            length = end - self.start
            self.line += self.text.count("\n", self.start, end)
            self.start = end
            return value, length

    def fill(self) -> bool:
        """Reads on, as much again as is unconsumed (so that a long element costs linear work)."""
        if self.ended:
            return False
        raw = self.rest + self.file.read(max(READ_BYTES, len(self.text) - self.start))
        self.ended = len(raw) == len(self.rest)
        # A character may be cut by the edge of the read: keep its first bytes for the next one.
        cut = len(raw) if self.ended else _whole_characters(raw)
        try:
            text = raw[:cut].decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte 0x{raw[error.start]:02x}"
            raise DataError(f"{self.path}, after line {self.line}: not UTF-8 ({byte})") from error
        self.rest = raw[cut:]
        self.text, self.start = self.text[self.start :] + text, 0
        return not self.ended or bool(text)


def _whole_characters(raw: bytes) -> int:
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte & 0xC0 == 0x80:
            continue
        width = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return len(raw) - back if width > back else len(raw)
    return len(raw)
