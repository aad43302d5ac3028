"""Multipart bodies, streamed: each part's content passes through as it arrives, nothing is collected."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypedDict

from python_multipart.multipart import MultipartParser, parse_options_header

from xnatsync.sandbox.http.exchange import Refusal, Request, pieces


@dataclass(slots=True)
class Part:
    """One part; its content must be read before the next part is asked for (what is left of it is skipped)."""

    name: str
    filename: str
    content_type: str
    chunks: Iterator[bytes] = field(repr=False)

    def text(self) -> bytes:
        """Read the whole content."""
        return b"".join(self.chunks)


class _Header(TypedDict):
    name: bytes
    value: bytes


class _Events:
    """Turns the parser's calls into a queue of ("part", headers) and ("data", bytes) and ("end", None)."""

    def __init__(self) -> None:
        self.queue: deque[tuple[str, dict[str, str] | bytes | None]] = deque()
        self._headers: dict[str, str] = {}
        self._current: _Header = {"name": b"", "value": b""}

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._grow("name", data[start:end]),
            "on_header_value": lambda data, start, end: self._grow("value", data[start:end]),
            "on_header_end": self._keep,
            "on_headers_finished": lambda: self.queue.append(("part", dict(self._headers))),
            "on_part_data": lambda data, start, end: self.queue.append(("data", data[start:end])),
            "on_part_end": lambda: self.queue.append(("end", None)),
        }

    def _grow(self, which: str, data: bytes) -> None:
        if which == "name":
            self._current["name"] += data
        else:
            self._current["value"] += data

    def _keep(self) -> None:
        self._headers[self._current["name"].decode("latin-1").lower()] = self._current["value"].decode(
            "utf-8", "replace"
        )
        self._current = {"name": b"", "value": b""}


def read_parts(request: Request) -> Iterator[Part]:
    """Return the parts of a multipart body in order; one that is none, or ends too early, is refused."""
    boundary = re.search(r'boundary="?([^";,]+)"?', request.headers.get("content-type", ""))
    if boundary is None:
        raise Refusal(500, "the request was rejected because no multipart boundary was found")
    events = _Events()
    parser = MultipartParser(boundary[1].encode("latin-1"), events.callbacks())  # type: ignore[arg-type]
    source = pieces(request.body)

    def advance() -> bool:
        piece = next(source, None)
        if piece is None:
            return False
        try:
            parser.write(piece)
        except Exception as error:
            raise Refusal(500, f"Stream ended unexpectedly: {error}") from error
        return True

    def content() -> Iterator[bytes]:
        while True:
            while events.queue:
                kind, data = events.queue.popleft()
                if kind == "end":
                    return
                if isinstance(data, bytes):
                    yield data
            if not advance():
                raise Refusal(500, "Stream ended unexpectedly")

    while True:
        while not events.queue:
            if not advance():
                return
        kind, headers = events.queue.popleft()
        if kind != "part" or not isinstance(headers, dict):
            continue
        _, options = parse_options_header(headers.get("content-disposition", ""))
        chunks = content()
        name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename", b"").decode("utf-8", "replace")
        yield Part(name, filename, headers.get("content-type", ""), chunks)
        for _ in chunks:
            pass
