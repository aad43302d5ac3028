"""Two digests of one stream: the ledger's SHA-256, and the MD5 that XNAT's catalogs state.

MD5 is the slower one (here 400 MB/s, and SHA-256 1,100) and lets other threads run meanwhile, so that it is counted
beside the rest for a big file.  Where every core is busy that gains nothing and costs nothing
(tests/bench/bench_tree_look.py --digests).
"""

from __future__ import annotations

import hashlib
import threading
from queue import Queue
from types import TracebackType
from typing import Self

ALONE_BYTES = 16 << 20  # a smaller file is done before a thread has begun
WAITING_MAX = 4  # pieces between the two threads: all the memory that it costs


class Digests:
    """Digests of what it is given, in order.  To be left like a file: its thread ends with it.

    Who compares with a catalogue alone needs no SHA-256: then `finish` returns b"" for it.
    """

    def __init__(self, *, sha256: bool = True) -> None:
        self.size = 0
        self._both = sha256
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._pieces: Queue[bytes | None] | None = None  # most files are small and need none
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self.size += len(piece)
        if self._pieces is None and self.size > ALONE_BYTES:
            self._pieces = Queue(WAITING_MAX)
            self._thread = threading.Thread(target=self._beside, args=(self._pieces,), name="md5", daemon=True)
            self._thread.start()
        if self._pieces is None:
            self._md5.update(piece)
        else:
            self._pieces.put(piece)
        if self._both:
            self._sha256.update(piece)

    def finish(self) -> tuple[bytes, str]:
        """Return SHA-256, and MD5 in lower-case hex; nothing can be added any more."""
        self._end()
        return self._sha256.digest() if self._both else b"", self._md5.hexdigest()

    def _beside(self, pieces: Queue[bytes | None]) -> None:
        while (piece := pieces.get()) is not None:
            self._md5.update(piece)

    def _end(self) -> None:
        if self._pieces is not None and self._thread is not None and self._thread.is_alive():
            self._pieces.put(None)
            self._thread.join()
