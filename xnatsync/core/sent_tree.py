"""A mirror that travels: its manifest as `mirror manifest` writes it, read back and compared with its own digest.

The manifest alone says what the tree holds and whose it is; a file that lies beside it and is not named there was
never the server's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import ListInvalid
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.paths import HostileName, check_path
from xnatsync.core.remote import FileListing, RemoteFile

SCHEMA: Final = "xnatsync/mirror-manifest/1"
_WRITE: Final = "Write it again: `xnatsync mirror manifest ROUTE -o json --file FILE`."
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MD5: Final = re.compile(r"[0-9a-f]{32}|")
_TEXTS: Final = ("path", "sha256", "md5", "project", "subject", "session", "accession", "scan", "resource", "name")


@dataclass(frozen=True, slots=True)
class SentFile:
    """One file of a tree, as the manifest states it."""

    path: str
    size: int
    sha256: str
    md5: str
    project: str
    subject: str
    session: str
    accession: str
    scan: str
    resource: str  # "" for the metadata of an entity
    name: str

    @property
    def key(self) -> ResourceKey:
        """The resource within its entity."""
        return ResourceKey(self.scan, self.resource)

    @property
    def owner(self) -> Owner:
        """The entity, as far as the manifest tells it."""
        kind = OwnerKind.SESSION if self.session else OwnerKind.SUBJECT if self.subject else OwnerKind.PROJECT
        number = self.project if kind is OwnerKind.PROJECT else self.accession
        subject_id = number if kind is OwnerKind.SUBJECT else self.subject
        return Owner(kind, self.project, number, self.subject, subject_id if self.subject else "", self.session)


@dataclass(frozen=True, slots=True)
class SentTree:
    """What a manifest says."""

    server: str  # the address of the server that the tree was mirrored from
    moment: str
    digest: str
    files: tuple[SentFile, ...]
    _of: dict[Owner, dict[tuple[ResourceKey, str], SentFile]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for file in self.files:  # once, not for each question
            self._of.setdefault(_place(file.owner), {})[file.key, file.name] = file

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        """List a project as a server does; a subject is there with each of its sessions."""
        owners: dict[Owner, dict[ResourceKey, list[SentFile]]] = {}
        for file in self.files:
            if file.project == project:
                resources = owners.setdefault(file.owner, {})
                if file.resource:
                    resources.setdefault(file.key, []).append(file)
        subjects = {owner.subject for owner in owners if owner.kind is OwnerKind.SUBJECT}
        for owner in list(owners):
            if owner.subject and owner.subject not in subjects:
                subjects.add(owner.subject)
                owners[Owner(OwnerKind.SUBJECT, project, owner.subject, owner.subject, owner.subject)] = {}
        ids = {owner.subject: owner.id for owner in owners if owner.kind is OwnerKind.SUBJECT}
        seen = {_completed(owner, ids, resources): _seen(resources) for owner, resources in owners.items()}
        return Inventory(project, {owner: found for owner, found in seen.items() if owner.kind in kinds})

    def listing(self, owner: Owner) -> FileListing | None:
        """List the files of an entity; None when the manifest names none of it."""
        named = self._of.get(_place(owner))
        if named is None:
            return None
        return FileListing(
            tuple(
                RemoteFile(file.scan, file.resource, file.name, file.size, file.md5)
                for file in named.values()
                if file.resource
            )
        )

    def find(self, owner: Owner, key: ResourceKey, name: str) -> SentFile | None:
        """Find one file."""
        return self._of.get(_place(owner), {}).get((key, name))

    def of(self, owner: Owner, keys: frozenset[ResourceKey]) -> Iterator[SentFile]:
        """Yield the files of some resources of an entity."""
        named = self._of.get(_place(owner), {}).values()
        return (file for file in named if file.key in keys and file.resource)

    def metadata(self, owner: Owner) -> SentFile | None:
        """Find the XML of an entity."""
        named = self._of.get(_place(owner), {}).values()
        return next((file for file in named if not file.resource), None)


def _place(owner: Owner) -> Owner:
    """Name an entity by what a tree knows of it: its labels."""
    return Owner(owner.kind, owner.project, "", owner.subject, "", owner.session)


def _completed(owner: Owner, ids: Mapping[str, str], resources: Mapping[ResourceKey, list[SentFile]]) -> Owner:
    """Complete an entity by its subject's ID, and by a text that changes with its files."""
    told = sorted(file.sha256 + file.path for files in resources.values() for file in files)
    stamp = hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()[:24]
    subject_id = ids.get(owner.subject, "")
    return Owner(owner.kind, owner.project, owner.id, owner.subject, subject_id, owner.session, stamp=stamp)


def _seen(resources: Mapping[ResourceKey, list[SentFile]]) -> tuple[ResourceSeen, ...]:
    return tuple(
        ResourceSeen(key, "tree", len(files), sum(file.size for file in files))
        for key, files in sorted(resources.items())
    )


# --- reading -----------------------------------------------------------------------------------------------------


def read_sent_tree(text: str) -> SentTree:
    """Read a manifest; ListInvalid when it is none, was cut or changed, or names what no tree may hold."""
    try:
        document = json.loads(text)
    except ValueError:
        raise ListInvalid("the manifest of the tree is not JSON, or was cut", advice=_WRITE) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ListInvalid("this is no manifest of a mirror", advice=_WRITE)
    entries = document.get("entries")
    if not isinstance(entries, list):
        raise ListInvalid("the manifest of the tree names no files", advice=_WRITE)
    files = tuple(_file(entry, number) for number, entry in enumerate(entries, 1))
    server, moment, digest = (str(document.get(key, "")) for key in ("server", "moment", "digest"))
    tree = SentTree(server, moment, digest, files)
    if len({file.path for file in files}) != len(files):
        raise ListInvalid("the manifest of the tree names a path twice", advice=_WRITE)
    if digest_of(files) != tree.digest:
        raise ListInvalid("the manifest of the tree was changed: its digest is not that of its files", advice=_WRITE)
    return tree


def digest_of(files: tuple[SentFile, ...]) -> str:
    """Return the digest that `mirror manifest` writes over the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.sha256}  {file.path}\n".encode("utf-8", "surrogatepass"))
    return f"sha256:{digest.hexdigest()}"


def _file(entry: object, number: int) -> SentFile:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in _TEXTS):
        raise ListInvalid(f"entry {number} of the manifest says too little of its file", advice=_WRITE)
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ListInvalid(f"entry {number} of the manifest has no size", advice=_WRITE)
    if _SHA256.fullmatch(entry["sha256"]) is None or _MD5.fullmatch(entry["md5"]) is None:
        raise ListInvalid(f"entry {number} of the manifest has no digest", advice=_WRITE)
    try:
        check_path(entry["path"])
    except HostileName as error:
        raise ListInvalid(f"entry {number} of the manifest: {error}", advice=_WRITE) from None
    return SentFile(size=size, **{key: entry[key] for key in _TEXTS})
