"""Lists the files of many owners with few requests (hierarchy.md §3.6 E′, F).

One listing serves many sessions of one project; each row says by its address whose it is.  Files of assessors and
reconstructions come along and are left out: they belong to no resource of ours.  A session without files has no row,
and one that is gone has none either, so those are looked up before anything is said of them (§3.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import NotThere, ReadFailed, ReplyStrange, RequestRefused
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.xnat import addresses, names, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Reply, Row

URL_MAX: Final = 6000  # characters of accession IDs in one address; servers refuse lines of 8 kB
OWNERS_MAX: Final = 50  # in one answer, which is held in memory as a whole

_COLUMNS: Final = ("Name", "Size", "URI", "collection", "digest")
_MD5: Final = re.compile(r"[0-9a-fA-F]{32}")
_SESSION_FILE: Final = re.compile(
    r"(?:/data|/REST)?(?:/archive)?(?:/projects/[^/]+)?(?:/subjects/[^/]+)?/experiments/(?P<session>[^/]+)"
    r"(?:/scans/(?P<scan>[^/]+)|/(?P<aside>(?:assessors|reconstructions)/.+?))?/resources/[^/]+/files/(?P<name>.+)",
    re.DOTALL,
)
_OWN_FILE: Final = re.compile(
    r"(?:/data|/REST)?(?:/archive)?(?:/projects/[^/]+)?(?:/subjects/[^/]+)?/resources/[^/]+/files/(?P<name>.+)",
    re.DOTALL,
)


def owner_files(client: Client, owners: Sequence[Owner], *, parts: bool = False) -> dict[Owner, FileListing]:
    """List all files of some owners; those that are gone, or hidden from us, are missing in the answer.

    With `parts`, those of reconstructions and assessors as well, under the words of their addresses.
    """
    found: dict[Owner, FileListing] = {}
    for batch in _batches(owners):
        found |= _sessions(client, batch, parts=parts)
    for owner in owners:
        if owner.kind is not OwnerKind.SESSION and (listing := _alone(client, owner)) is not None:
            found[owner] = listing
    return found


def resource_files(client: Client, owner: Owner, scan: str, address: str) -> FileListing:
    """List the files of one resource; none when there is no such resource, NotThere when the owner is gone.

    `address` is the resource's label, or its number.
    """
    call = addresses.resource_files(owner.kind, owner.id, scan, address)
    try:
        reply = client.get(call)
    except (NotThere, ReadFailed, RequestRefused) as error:
        if error.http not in {400, 404, 500}:
            raise
        look_up(client, owner)
        if error.http == 404:
            return FileListing(())
        raise ReadFailed(str(error), http=error.http) from error
    draft = _Draft()
    shape = _SESSION_FILE if owner.kind is OwnerKind.SESSION else _OWN_FILE
    for row in replies.rows(reply, _COLUMNS):
        uri = shape.fullmatch(str(row["URI"]))
        if uri is None:
            draft.refused["", "", f"{call.what}: a file without an address is listed"] = None
            continue
        draft.add(row, scan, uri["name"], call.what)
    return draft.listing()


def look_up(client: Client, owner: Owner) -> None:
    """Raise NotThere unless the owner itself is to be seen."""
    client.get(addresses.owner(owner.kind, owner.id))


@dataclass(slots=True)
class _Draft:
    """One owner's listing in the making."""

    files: dict[tuple[str, str, str], RemoteFile] = field(default_factory=dict)
    refused: dict[tuple[str, str, str], None] = field(default_factory=dict)

    def add(self, row: Row, scan: str, name: str, what: str) -> None:
        """Take a row; a name that cannot be one, or two files of one name, are refused and told."""
        shown = names.words(scan), names.words(str(row["collection"]))
        try:
            file = _file(row, scan, name, what)
        except ReplyStrange as error:
            self.refused[(*shown, str(error))] = None
            return
        if self.files.setdefault((file.scan, file.resource, file.name), file) != file:
            self.refused[(*shown, f"{what}: two different files of one name are listed")] = None

    def listing(self) -> FileListing:
        """Return what was found."""
        return FileListing(tuple(self.files.values()), complete=not self.refused, refused=tuple(self.refused))


def _file(row: Row, scan: str, name: str, what: str) -> RemoteFile:
    path = names.relative_path(name, what)
    size, digest = str(row["Size"]), str(row["digest"])
    return RemoteFile(
        scan="/".join(names.segment(word, what) for word in scan.split("/")) if scan else "",
        resource=names.segment(row["collection"], what),
        name=path,
        size=int(size) if size.isascii() and size.isdigit() and len(size) <= 18 else None,
        digest=digest.lower() if _MD5.fullmatch(digest) else "",
        sop_uid=names.sop_uid_of(path.rpartition("/")[2]),
    )


# --- sessions ----------------------------------------------------------------------------------------------------


def _sessions(client: Client, owners: Sequence[Owner], *, parts: bool) -> dict[Owner, FileListing]:
    """List one batch; when that fails, those that exist are tried again, and then each by itself."""
    ids = [owner.id for owner in owners]
    try:
        drafts = _listed(client.get(addresses.files_of_sessions(ids)), ids, parts=parts)
    except (NotThere, ReadFailed) as error:
        if error.http not in {404, 500}:
            raise
        there = [owner for owner in owners if owner.id in _there(client, ids)]
        if not there:
            return {}
        if len(owners) == 1:
            raise ReadFailed(str(error), http=error.http) from error
        fewer = len(there) < len(owners)
        return _sessions(client, there, parts=parts) if fewer else _one_by_one(client, owners, parts=parts)
    if drafts is None:
        return _one_by_one(client, owners, parts=parts)
    silent = [session for session in ids if session not in drafts]
    empty = _there(client, silent) if silent else frozenset()
    return {
        owner: drafts.get(owner.id, _Draft()).listing() for owner in owners if owner.id in drafts or owner.id in empty
    }


def _one_by_one(client: Client, owners: Sequence[Owner], *, parts: bool) -> dict[Owner, FileListing]:
    found: dict[Owner, FileListing] = {}
    for owner in owners:
        found |= _sessions(client, [owner], parts=parts)
    return found


def _listed(reply: Reply, ids: Sequence[str], *, parts: bool) -> dict[str, _Draft] | None:
    """Share the rows out among the sessions; None when the rows of several cannot be told apart.

    Each row's address names its own session, with or without `/data` before it; one that XNAT makes of what was asked
    names all of them at once (`E1,E2`), and says nothing (§3.2).
    """
    what = reply.call.what
    drafts: dict[str, _Draft] = {}
    wanted = frozenset(ids)
    for row in replies.rows(reply, _COLUMNS):
        uri = _SESSION_FILE.fullmatch(str(row["URI"]))
        if uri is None:  # whose it is, nobody can tell: no listing of these is complete
            for session in ids:
                drafts.setdefault(session, _Draft()).refused["", "", f"{what}: a file without an address is listed"] = (
                    None
                )
            continue
        if len(ids) > 1 and uri["session"] not in wanted:
            return None
        if uri["aside"] is None or parts:
            draft = drafts.setdefault(ids[0] if len(ids) == 1 else uri["session"], _Draft())
            draft.add(row, uri["scan"] or uri["aside"] or "", uri["name"], what)
    return drafts


def _there(client: Client, ids: Sequence[str]) -> frozenset[str]:
    """Say which sessions are to be seen."""
    odd = [session for session in ids if wire.UNFILTERABLE.search(session)]
    plain = [session for session in ids if session not in odd]
    found = {session for session in odd if _is_there(client, session)}
    if plain:
        reply = client.get(addresses.sessions_there(plain))
        odd_rows: replies.Refused = []
        found |= set(replies.experiments(reply, odd_rows))
        if odd_rows:  # one of them may be a session that seems to be missing
            found |= {session for session in plain if session not in found and _is_there(client, session)}
    return frozenset(found) & frozenset(ids)


def _is_there(client: Client, session: str) -> bool:
    try:
        client.get(addresses.owner(OwnerKind.SESSION, session))
    except NotThere:
        return False
    return True


def _batches(owners: Sequence[Owner]) -> Iterator[list[Owner]]:
    """Sessions of one owning project each: XNAT resolves all paths with the first one's project (§3.6)."""
    homes: dict[str, list[Owner]] = {}
    for owner in owners:
        if owner.kind is OwnerKind.SESSION:
            homes.setdefault(owner.home or owner.project, []).append(owner)
    for sessions in homes.values():
        batch: list[Owner] = []
        length = 0
        for owner in sessions:
            if batch and (len(batch) == OWNERS_MAX or length + 3 * len(owner.id) > URL_MAX):
                yield batch
                batch, length = [], 0
            batch.append(owner)
            length += len(owner.id) + 1
        yield batch


# --- projects and subjects ---------------------------------------------------------------------------------------


def _alone(client: Client, owner: Owner) -> FileListing | None:
    """List a project's or a subject's own files; None when it is gone."""
    try:
        reply = client.get(addresses.files_of(owner.kind, owner.id))
    except (NotThere, ReadFailed, RequestRefused) as error:
        if error.http not in {400, 404, 500}:
            raise
        try:
            look_up(client, owner)
        except NotThere:
            return None
        raise ReadFailed(str(error), http=error.http) from error
    draft, what = _Draft(), reply.call.what
    for row in replies.rows(reply, _COLUMNS):
        uri = _OWN_FILE.fullmatch(str(row["URI"]))
        if uri is None:
            draft.refused["", "", f"{what}: a file without an address is listed"] = None
            continue
        draft.add(row, "", uri["name"], what)
    if not draft.files and not draft.refused:
        try:
            look_up(client, owner)
        except NotThere:
            return None
    return draft.listing()
