"""Fetches resources: many as few zips unpacked on the fly, one file by itself from any offset (hierarchy.md §6.5, §7).

Nothing is written to disk here, and no content comes to its end unless its CRC (in a zip) or its length (alone) was
right.  A file whose name could harm is never given, wherever it stands in a zip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from xnatsync.core.errors import NotThere, ReadFailed, ReplyStrange, RequestRefused
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.xnat import addresses, names, replies, wire, zipreader
from xnatsync.xnat.bounds import Allowance, Bounds
from xnatsync.xnat.client import Client
from xnatsync.xnat.owner_files import URL_MAX, look_up
from xnatsync.xnat.wire import Call

Fetched = tuple[ResourceKey, str, Iterator[bytes]]
Sizes = Mapping[tuple[ResourceKey, str], int | None]

_IN_SCAN: Final = re.compile(r"[^/]+/scans/([^/]+)/resources/([^/]+)/files/(.+)", re.DOTALL)
_OWN: Final = re.compile(r"(?:[^/]+/)??(?:(?:projects|subjects)/[^/]+/)*resources/([^/]+)/files/(.+)", re.DOTALL)
_OF_SESSION: Final = re.compile(r"[^/]+/resources/([^/]+)/files/(.+)", re.DOTALL)
_ASIDE: Final = re.compile(r"(?:[^/]+/)*?resources/([^/]+)/files/(.+)", re.DOTALL)  # of an assessor, a reconstruction
_TYPED: Final = re.compile(r"-\w+")
_MANY: Final = frozenset({"ALL", "*", "NULL"})  # scan IDs that mean something else in an address (§3.6)


def fetch_resources(
    client: Client, owner: Owner, resources: Sequence[ResourceKey], sizes: Sizes | None = None
) -> Generator[Fetched, None, None]:
    """Stream every file of some resources: (resource, name, content), each content to be read in turn.

    A file that does not come is missing in what comes; NotThere only when the owner itself is gone.  `sizes` are those
    listed: ReplyStrange when more comes of a file.
    """
    wanted = frozenset(resources)
    scans = frozenset(key.scan for key in wanted if key.scan and not _is_part(key))
    folders = _Folders(client, owner, scans)
    folders.ask_types()
    seen: set[tuple[ResourceKey, str]] = set()
    bounds = Bounds(sizes, f"fetching files of {owner.kind.value} {owner.id}")
    for call, asked in _calls(owner, wanted):
        of_scans = any(key.scan and not _is_part(key) for key in asked)
        zipped = _Zip(call, owner, asked, folders if of_scans else None, bounds)
        with closing(_members(client, owner, call, zipped.allowed)) as members:
            for _, content in members:
                place = zipped.place
                if place is None:
                    continue  # came along unasked, or has a name that nobody may write
                if place in seen:
                    raise ReplyStrange(f"{call.what}: the same file came twice")
                seen.add(place)
                yield (*place, content)


@dataclass(slots=True)
class _Zip:
    """One zip that is coming: where its current member belongs, and how much of it may come."""

    call: Call
    owner: Owner
    asked: frozenset[ResourceKey]
    folders: _Folders | None
    bounds: Bounds
    place: tuple[ResourceKey, str] | None = None

    def allowed(self, inner: str) -> Allowance:
        """Look at the path of a member that begins."""
        aside = next((key.scan for key in self.asked if _is_part(key)), "")
        place = _place(inner, self.call, self.owner, self.folders, aside)
        self.place = place if place is not None and place[0] in self.asked else None
        return self.bounds.of(place, asked=self.place is not None)


def fetch_file(client: Client, owner: Owner, resource: ResourceKey, name: str, *, offset: int) -> Iterator[bytes]:
    """Stream one file from an offset on; one that no address can name is taken out of the zip of its resource."""
    call = _file_call(client, owner, resource, name)
    if call is None:
        if offset:
            raise ReplyStrange(f"fetching a file of {owner.kind.value} {owner.id}: its name has no address of its own")
        yield from _from_zip(client, owner, resource, name)
        return
    try:
        with closing(client.stream(call, offset=offset)) as stream:
            yield from stream
    except ReadFailed as error:
        if error.http == 500:
            look_up(client, owner)  # a flat address breaks where its owner is gone (§3.8)
        raise


def _from_zip(client: Client, owner: Owner, resource: ResourceKey, name: str) -> Iterator[bytes]:
    with closing(fetch_resources(client, owner, [resource])) as files:
        for _, found, content in files:
            if found == name:
                yield from content
                return
    raise NotThere(f"fetching a file of {owner.kind.value} {owner.id}: it is not there")


def _file_call(client: Client, owner: Owner, resource: ResourceKey, name: str) -> Call | None:
    if name.endswith("*") or _is_many(resource.scan):
        return None
    if _is_part(resource) and not addresses.is_plain(resource.label):
        return None
    address = resource.label if addresses.is_plain(resource.label) else _number(client, owner, resource)
    try:
        return addresses.one_file(owner.kind, owner.id, resource.scan, address, name)
    except RequestRefused:
        return None


def _number(client: Client, owner: Owner, resource: ResourceKey) -> str:
    """Return the numeric ID of a resource whose label cannot stand in an address (§1.6)."""
    reply = client.get(addresses.owner_resources(owner.kind, owner.id, everything=bool(resource.scan)))
    what = reply.call.what
    for row in replies.rows(reply, ("xnat_abstractresource_id", "label", "category", "cat_id")):
        of_scan = row["cat_id"] if str(row["category"]).startswith("scans") else ""
        if (of_scan, row["label"]) == (resource.scan, resource.label) and not _is_aside(row["category"]):
            return names.segment(row["xnat_abstractresource_id"], what)
    raise NotThere(f"{what}: a resource is not there")


def _is_aside(category: object) -> bool:
    return str(category).startswith(("assessors", "reconstructions"))


# --- which zips --------------------------------------------------------------------------------------------------


def _calls(owner: Owner, wanted: frozenset[ResourceKey]) -> Iterator[tuple[Call, frozenset[ResourceKey]]]:
    """Return few zips that together hold what is wanted, and what is to be taken from each."""
    own = frozenset(key for key in wanted if not key.scan)
    if own:
        yield addresses.resources_zip(owner.kind, owner.id, (), _labels({key.label for key in own})), own
    asides = frozenset(key for key in wanted if _is_part(key))
    for key in sorted(asides):
        yield addresses.part_zip(owner.kind, owner.id, key.scan, _labels({key.label})), frozenset({key})
    for scans, labels in _groups(wanted - own - asides):
        for batch in _batches(scans):
            asked = frozenset(ResourceKey(scan, label) for scan in batch for label in labels)
            among = ["ALL"] if any(map(_is_many, batch)) else batch
            yield addresses.resources_zip(owner.kind, owner.id, among, _labels(labels)), asked & wanted


def _groups(keys: Iterable[ResourceKey]) -> list[tuple[list[str], list[str]]]:
    """Group scans that want the same labels, or labels wanted of the same scans, whichever is fewer."""
    of_scan: dict[str, set[str]] = {}
    of_label: dict[str, set[str]] = {}
    for key in keys:
        of_scan.setdefault(key.scan, set()).add(key.label)
        of_label.setdefault(key.label, set()).add(key.scan)
    by_labels: dict[tuple[str, ...], list[str]] = {}
    for scan in sorted(of_scan):
        by_labels.setdefault(tuple(sorted(of_scan[scan])), []).append(scan)
    by_scans: dict[tuple[str, ...], list[str]] = {}
    for label in sorted(of_label):
        by_scans.setdefault(tuple(sorted(of_label[label])), []).append(label)
    if len(by_scans) < len(by_labels):
        return [(list(scans), labels) for scans, labels in by_scans.items()]
    return [(scans, list(labels)) for labels, scans in by_labels.items()]


def _labels(labels: Collection[str]) -> list[str]:
    """Return the labels for an address; none, which means all, when one cannot stand in it (§1.6)."""
    return sorted(labels) if all(map(addresses.is_plain, labels)) else []


def _batches(scans: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    length = 0
    for scan in scans:
        if batch and length + 3 * len(scan) > URL_MAX:
            yield batch
            batch, length = [], 0
        batch.append(scan)
        length += 3 * len(scan) + 1
    yield batch


def _is_part(key: ResourceKey) -> bool:
    """Return whether a resource is one of an assessor or a reconstruction (`core.described.Part`)."""
    return "/" in key.scan


def _is_many(scan: str) -> bool:
    return scan in _MANY or "," in scan or "[" in scan


# --- what is in them ---------------------------------------------------------------------------------------------


def _members(
    client: Client, owner: Owner, call: Call, allowed: Callable[[str], Allowance]
) -> Generator[tuple[str, Iterator[bytes]], None, None]:
    """Stream one zip; none at all when the resources are empty, which XNAT answers like an absent owner (§7)."""
    with closing(client.stream(call)) as stream:
        try:
            yield from zipreader.members(stream, call.what, allowed)
        except (NotThere, ReadFailed) as error:
            if error.http not in {404, 500}:
                raise
            look_up(client, owner)
            if isinstance(error, ReadFailed):
                raise


class _Folders:
    """Tells which scan a folder of the zip stands for: `4-T1_mpr` is scan 4, or perhaps scan `4-T1_mpr` (§7)."""

    def __init__(self, client: Client, owner: Owner, wanted: frozenset[str]) -> None:
        self._client, self._owner, self._wanted = client, owner, wanted
        self._exactly = any(map(_is_many, wanted))  # then scans come along that were not asked for, without a type too
        self._types: dict[str, str] | None = None
        self._known: dict[str, str | None] = {}

    def ask_types(self) -> None:
        """Ask for the types of the scans when folders may need them: once a zip is coming, its connection is taken."""
        if self._exactly or any(_may_be(other, scan) for scan in self._wanted for other in self._wanted - {scan}):
            self._types = replies.scan_types(self._client.get(wire.scans(self._owner.id)))

    def scan(self, folder: str, what: str) -> str | None:
        """Return the scan; None when it is none of those asked for: one whose type is an ID comes along (§3.6)."""
        if folder not in self._known:
            found = [scan for scan in self._wanted if _may_be(folder, scan)]
            if len(found) > 1 or (found and self._exactly):
                if self._types is None:
                    self._types = replies.scan_types(self._client.get(wire.scans(self._owner.id)))
                found = [scan for scan in found if folder == _folder(scan, self._types.get(scan, ""))]
            if len(found) > 1:
                raise ReplyStrange(f"{what}: the zip holds a folder that is not known to be a scan's")
            self._known[folder] = found[0] if found else None
        return self._known[folder]


def _may_be(folder: str, scan: str) -> bool:
    return folder == scan or (folder.startswith(scan) and _TYPED.fullmatch(folder, len(scan)) is not None)


def _folder(scan: str, kind: str) -> str:
    return f"{scan}-{re.sub(r'[^A-Za-z0-9_]', '_', kind)}" if kind else scan


def _place(
    inner: str, call: Call, owner: Owner, folders: _Folders | None, aside: str = ""
) -> tuple[ResourceKey, str] | None:
    """Read a member's path; None for a folder, another scan's file or a name that must not be written.

    `aside` is the part whose resource was asked for by itself, "" when none was.
    """
    if inner.endswith("/"):
        return None
    if folders is not None:
        found = _IN_SCAN.fullmatch(inner)
    elif aside:
        found = _ASIDE.fullmatch(inner)
    else:
        found = (_OF_SESSION if owner.kind is OwnerKind.SESSION else _OWN).fullmatch(inner)
    if found is None:
        raise ReplyStrange(f"{call.what}: the zip holds a file outside of all resources asked for")
    *folder, label, path = found.groups()
    try:
        scan = folders.scan(names.segment(folder[0], call.what), call.what) if folders is not None else aside
        if scan is None:
            return None
        return ResourceKey(scan, names.segment(label, call.what)), names.relative_path(path, call.what)
    except ReplyStrange:
        return None
