""".npy files written as a stream, whose length is known only at the end."""

import os
from pathlib import Path

import numpy as np

HEADER_BYTES = 128


class NpyWriter:
    """A one-dimensional little-endian .npy file, appended to block by block.

    The header, which holds the length, is written on `close`; until then the file is not readable.
    """

    def __init__(self, path: Path, dtype: str) -> None:
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.length = 0
        self._file = open(path, "wb")  # noqa: SIM115
        self._file.write(b"\0" * HEADER_BYTES)

    def append(self, values: np.ndarray) -> None:
        """Adds the values, converted to the file's type."""
        block = np.ascontiguousarray(values, dtype=self.dtype)
        self._file.write(block.data)
        self.length += len(block)

    def close(self) -> None:
        """Writes the header and waits until the disk has everything."""
        text = f"{{'descr': {self.dtype.str!r}, 'fortran_order': False, 'shape': ({self.length},), }}"
        body = text.ljust(HEADER_BYTES - 11) + "\n"
        self._file.seek(0)
        self._file.write(b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body.encode("latin1"))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abort(self) -> None:
        """Closes the file as it is."""
        self._file.close()


def write_npy(path: Path, values: np.ndarray, dtype: str) -> None:
    """One whole array, as `NpyWriter` writes it."""
    writer = NpyWriter(path, dtype)
    writer.append(values)
    writer.close()
