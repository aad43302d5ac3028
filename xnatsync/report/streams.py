"""Stdout and stderr as streams that never fail whoever writes to them.

Whoever reads along may go away, and its disk may be full: that is no reason for a run to stop, nor for another exit
code than that of what happened.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO


class Loss:
    """Notes the first failure to write, for whoever asks afterwards."""

    def __init__(self) -> None:
        self.error: OSError | ValueError | None = None

    def note(self, error: OSError | ValueError) -> None:
        """Keep the first."""
        self.error = self.error or error


class LossyStream:
    """Passes text on to a stream; what cannot be written is lost, and noted in `loss`.

    One that failed is led to nowhere, so that nothing is left in it that would fail at the end of the process.
    """

    def __init__(self, stream: TextIO | None, loss: Loss | None = None) -> None:
        self._stream = stream  # None: the process was started without it
        self._loss = loss or Loss()

    @property
    def encoding(self) -> str:
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Return whether a terminal is at the other end."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Return the descriptor; OSError when there is none."""
        if self._stream is None:
            raise OSError("there is no such stream")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text, or loses it."""
        if self._stream is not None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._lose(error)
        else:
            self._loss.note(OSError("there is no such stream"))
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as they are, or loses them."""
        if self._stream is not None:
            try:
                self._stream.flush()
                self._stream.buffer.write(data)
                self._stream.buffer.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def flush(self) -> None:
        """Bring out what was written, or loses it."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def _lose(self, error: OSError | ValueError) -> None:
        assert self._stream is not None
        if isinstance(error, ValueError) and not self._stream.closed:  # text that has no encoding is a mistake of ours
            raise error
        self._loss.note(error)
        try:
            number = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
        except (OSError, ValueError):  # it has no descriptor, or is closed: then nothing of it is flushed at the end
            return


def stdout(loss: Loss | None = None) -> LossyStream:
    """The stream for what was asked for."""
    return LossyStream(sys.stdout, loss)


def stderr() -> LossyStream:
    """The stream for everything else."""
    return LossyStream(sys.stderr)


def open_standard_streams() -> None:
    """Open what of the three standard descriptors is closed: the next file would get its number otherwise."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
