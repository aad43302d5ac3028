"""What is remembered of a stream while somebody else reads it: enough to say what it is when it is no object."""

from __future__ import annotations

import codecs
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator

from xnatsync.core.clutter import HEAD, ZIP, Glimpse, is_text

INDEX_MAX = 64 << 20  # bytes of a DICOMDIR that are kept: 100,000 images have 50 MB
_MEDIA_CLASS = b"1.2.840.10008.1.3.10"
_MEDIA_WITHIN = 1024  # bytes: it stands in the meta group
# How an object with a preamble is known in the middle of something else: as it is, or written as text.
_START = b"DICM\x02\0\0\0UL\4\0"
_STARTS = (_START, *(b64encode(bytes(shift) + _START)[4 if shift else 0 : 16] for shift in range(3)))
_MEMBER = re.compile(rb"PK\x03\x04.{26}[^\0-\x1f]{1,255}?\.(?:dcm|dicom|ima)", re.DOTALL | re.IGNORECASE)
_OVERLAP = 300  # bytes of a piece that are searched with the next one
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Glance:
    """Passes on the pieces of a stream.  An object with a preamble is not looked at any closer: it says what it is."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._size = self._zeros = 0
        self._head = b""
        self._filled = self._text = True
        self._holds, self._tail = False, b""
        self._wide: codecs.IncrementalDecoder | None = None
        self._first = b""  # the first byte of a text, as long as it is not known how it is written
        self._index: list[bytes] | None = []

    @property
    def kept(self) -> bytes | None:
        """Give the whole stream where it is the index of a medium; None for any other, or one that is too large."""
        return b"".join(self._index) if self._index is not None else None

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces as they come; empty ones are left out."""
        plain = False
        for chunk in self._chunks:
            if not chunk:
                continue
            if not self._size:
                plain = chunk[128:132] == b"DICM"
            if len(self._head) < HEAD:
                self._head += chunk[: HEAD - len(self._head)]
                plain = plain or self._head[128:132] == b"DICM"
            if not plain:
                self._look(chunk)
            self._size += len(chunk)
            self._keep(chunk)
            yield chunk

    def seen(self, name: str) -> Glimpse:
        """Tell what was seen, when the stream has come to its end."""
        text = self._text and is_text(self._first)
        return Glimpse(name, self._size, self._head, self._filled and self._size > 0, self._zeros, text, self._holds)

    def _look(self, chunk: bytes) -> None:
        if not self._holds:
            window = self._tail + chunk
            self._holds = any(start in window for start in _STARTS)
            self._holds = self._holds or (self._head.startswith(ZIP) and _MEMBER.search(window) is not None)
            self._tail = window[-_OVERLAP:]
        self._filled = self._filled and chunk.count(self._head[:1]) == len(chunk)
        rest = len(chunk.rstrip(b"\0"))
        self._zeros = len(chunk) - rest if rest else self._zeros + len(chunk)
        if self._text:
            self._text = self._is_text(chunk)

    def _is_text(self, chunk: bytes) -> bool:
        if self._size < 2:  # is it marked as UTF-16?
            self._first += chunk
            if len(self._first) < 2:
                return True
            chunk, self._first = self._first, b""
            if (coding := _WIDE.get(chunk[:2])) is not None:
                self._wide = codecs.getincrementaldecoder(coding)("strict")
        return self._is_wide_text(chunk) if self._wide is not None else is_text(chunk)

    def _is_wide_text(self, chunk: bytes) -> bool:
        assert self._wide is not None
        try:
            return is_text(self._wide.decode(chunk).encode("utf-8"))
        except UnicodeError:
            return False

    def _keep(self, chunk: bytes) -> None:
        if self._index is None:
            return
        self._index.append(chunk)
        known = self._size >= _MEDIA_WITHIN and _MEDIA_CLASS not in self._head[:_MEDIA_WITHIN]
        if known or self._size > INDEX_MAX:
            self._index = None
