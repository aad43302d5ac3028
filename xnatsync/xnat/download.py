"""Fetches scans back as one streamed zip, parsed on the fly.

Nothing is written to disk, and no file comes to its end unless its CRC was right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Final

from xnatsync.core.errors import ReplyStrange
from xnatsync.core.remote import RemoteFile
from xnatsync.xnat import listing, names, replies, wire, zipreader
from xnatsync.xnat.bounds import Allowance, Bounds
from xnatsync.xnat.client import Client
from xnatsync.xnat.wire import Call

Fetched = tuple[str, str, str, Iterator[bytes]]

_SCANS_URL_MAX: Final = 4000  # characters of scan IDs in one URL; servers refuse lines of 8 kB
_INNER: Final = re.compile(r"[^/]+/scans/([^/]+)/resources/([^/]+)/files/(.+)")


def fetch_scans(client: Client, session_id: str, scans: Sequence[str]) -> Iterator[Fetched]:
    """Stream every file of the scans: (scan, resource, name, content), each content to be read in turn.

    ReadFailed when the stream is cut or damaged, ReplyStrange when it is no zip: always before the file concerned has
    come to its end.  A file that the server lists and does not send is missing in what comes, as it is missing there.
    """
    if not scans:
        return
    places = Places(listing.scan_files(client, session_id, []), scans, lambda: _types(client, session_id))
    places.ask_types()
    for batch in _batches(scans):
        yield from _fetch(client, wire.scans_zip(session_id, batch), places)


class Places:
    """Tells which scan a folder of the zip stands for: `4-T1_mpr` is scan 4, or perhaps scan `4-T1_mpr` (§7)."""

    def __init__(self, files: Iterable[RemoteFile], wanted: Iterable[str], types: Callable[[], dict[str, str]]) -> None:
        self._listed = {(file.scan, file.resource, file.name): file.size for file in files}
        self.bounds = Bounds(self._listed, "fetching scans")
        self._scans = {scan for scan, _, _ in self._listed} | set(wanted)
        self._wanted = frozenset(wanted)
        self._types_of = types
        self._types: dict[str, str] | None = None
        self._seen: set[tuple[str, str, str]] = set()

    def ask_types(self) -> None:
        """Ask for the types of the scans when folders may need them: once a zip is coming, its connection is taken."""
        ordered = sorted(self._scans)
        if any(other.startswith(f"{scan}-") for scan in ordered for other in ordered if other > scan):
            self._types = self._types_of()

    def resolve(self, inner: str, what: str) -> tuple[str, str, str]:
        """Give (scan, resource, name) of a path in the zip."""
        found = _INNER.fullmatch(inner)
        if found is None:
            raise ReplyStrange(f"{what}: the zip holds a file outside of all scans")
        folder, resource = found.group(1), names.segment(found.group(2), what)
        name = names.relative_path(found.group(3), what)
        place = self._scan(folder, resource, name, what), resource, name
        if place in self._seen:
            raise ReplyStrange(f"{what}: the zip holds the same file twice")
        self._seen.add(place)
        return place

    def is_asked_for(self, place: tuple[str, str, str]) -> bool:
        """Tell whether its scan was asked for: one whose type is the ID of another comes along (hierarchy.md §3.6)."""
        return place[0] in self._wanted

    def _scan(self, folder: str, resource: str, name: str, what: str) -> str:
        candidates = [scan for scan in self._scans if folder == scan or folder.startswith(f"{scan}-")]
        if len(candidates) > 1:
            candidates = [scan for scan in candidates if (scan, resource, name) in self._listed]
        if len(candidates) > 1:
            if self._types is None:
                self._types = self._types_of()
            candidates = [scan for scan in candidates if folder == _folder(scan, self._types.get(scan, ""))]
        if len(candidates) != 1:
            raise ReplyStrange(f"{what}: the zip holds a folder that is not known to be a scan's")
        return candidates[0]


def _fetch(client: Client, call: Call, places: Places) -> Iterator[Fetched]:
    place: tuple[str, str, str] | None = None

    def allowed(inner: str) -> Allowance:
        nonlocal place
        found = places.resolve(inner, call.what)
        place = found if places.is_asked_for(found) else None
        return places.bounds.of(found)

    with closing(client.stream(call)) as stream:
        for _, content in zipreader.members(stream, call.what, allowed):
            if place is not None:
                yield (*place, content)


def _folder(scan: str, kind: str) -> str:
    return f"{scan}-{re.sub(r'[^A-Za-z0-9_]', '_', kind)}" if kind else scan


def _types(client: Client, session_id: str) -> dict[str, str]:
    return replies.scan_types(client.get(wire.scans(session_id)))


def _batches(scans: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    length = 0
    for scan in scans:
        if batch and length + len(scan) > _SCANS_URL_MAX:
            yield batch
            batch, length = [], 0
        batch.append(scan)
        length += 3 * len(scan) + 1
    yield batch
