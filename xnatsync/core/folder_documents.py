"""What lies in a folder that a project travels in: documents of entities, lists of files, and the manifest over all.

All are JSON texts; every digest is over the text as it lies there, but for the manifest's own, which is over the rest
of it.  A text of a later version, or one that was cut or changed, is refused as a whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from xnatsync.core.described import Described, Share, Side, Stored, ThingKind
from xnatsync.core.errors import FolderUnusable
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.paths import HostileName, check_path

SCHEMA: Final = "xnatsync/transfer-folder"
VERSION: Final = 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MD5: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class HeldFile:
    """One file of a resource, where it lies in the folder, and what it holds."""

    scan: str
    resource: str
    name: str
    path: str
    size: int
    sha256: str
    md5: str

    @property
    def key(self) -> ResourceKey:
        """The resource within its entity."""
        return ResourceKey(self.scan, self.resource)


@dataclass(frozen=True, slots=True)
class HeldEntity:
    """A project, subject or session of the manifest: where it lies, and the digests of what is said of it."""

    owner: Owner
    place: str  # its folder
    document: str  # SHA-256 of the description
    listing: str  # SHA-256 of the list of its files; "": it has none
    resources: tuple[tuple[ResourceKey, int, int], ...] = ()  # files and bytes of each

    @property
    def stamp(self) -> str:
        """A text that changes with everything in it."""
        return _sha256(f"{self.document} {self.listing}")[:24]


@dataclass(frozen=True, slots=True)
class Origin:
    """The project that the folder was filled from."""

    server: str  # what the server was called where the folder was filled
    url: str
    project: str
    version: str = ""  # of its XNAT


@dataclass(frozen=True, slots=True)
class FolderManifest:
    """Whose folder it is, and what is in it.  Open: it is being filled, or that was interrupted."""

    id: str
    origin: Origin
    program: str
    sealed_at: str = ""  # "": open
    first_leg: Mapping[str, Any] = field(default_factory=dict)  # the certificate of what was put into it
    entities: tuple[HeldEntity, ...] = ()
    digest: str = ""  # of all of this; "": open

    @property
    def is_sealed(self) -> bool:
        """Return whether it was filled to its end."""
        return bool(self.sealed_at)


# --- the manifest ------------------------------------------------------------------------------------------------


def manifest_text(manifest: FolderManifest) -> tuple[str, str]:
    """Return the text of a manifest, and its digest, which is in it."""
    fields = {
        "schema": f"{SCHEMA}/{VERSION}",
        "id": manifest.id,
        "origin": asdict(manifest.origin),
        "program": manifest.program,
        "sealed_at": manifest.sealed_at,
        "first_leg": dict(manifest.first_leg),
        "entities": [_entity_fields(one) for one in manifest.entities],
    }
    digest = f"sha256:{_sha256(_canonical(fields))}"
    return json.dumps({**fields, "digest": digest}, indent=1, ensure_ascii=True) + "\n", digest


def read_manifest(text: str) -> FolderManifest:
    """Read a manifest; FolderUnusable when it is none, of a later version, or not as it was written."""
    document = _document(text, "the manifest of the folder")
    schema, _, version = str(document.get("schema", "")).rpartition("/")
    if schema != SCHEMA:
        raise FolderUnusable("this is no folder that a project travels in: its manifest is another document")
    if version != str(VERSION):
        raise FolderUnusable(
            "the folder was filled by a later version of xnatsync, whose manifest this one cannot read",
            advice="Use the version that filled it, or a later one: its manifest names it under `program`.",
        )
    digest = document.pop("digest", None)
    if digest != f"sha256:{_sha256(_canonical(document))}":
        raise FolderUnusable("the manifest of the folder was changed or damaged: its digest is not that of its text")
    try:
        entities = tuple(_entity(one) for one in document["entities"])
        origin = Origin(**document["origin"])
        found = FolderManifest(
            str(document["id"]), origin, str(document["program"]), str(document["sealed_at"]),
            dict(document["first_leg"]), entities, digest,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise FolderUnusable("the manifest of the folder says too little of what is in it") from None
    if any(
        len(names) != len(entities) for names in ({one.place for one in entities}, {one.owner.key for one in entities})
    ):
        raise FolderUnusable("the manifest of the folder names an entity twice")
    return found


def _entity_fields(one: HeldEntity) -> dict[str, object]:
    owner = one.owner
    return {
        **_owner_fields(owner),
        "place": one.place,
        "document": one.document,
        "listing": one.listing,
        "resources": [[key.scan, key.label, files, size] for key, files, size in one.resources],
    }


def _owner_fields(owner: Owner) -> dict[str, str]:
    return {
        "kind": owner.kind.value, "id": owner.id, "subject": owner.subject, "subject_id": owner.subject_id,
        "session": owner.session, "xsi_type": owner.xsi_type,
    }  # fmt: skip


def _entity(fields: Mapping[str, Any]) -> HeldEntity:
    texts = {name: _text(fields[name]) for name in ("id", "subject", "subject_id", "session", "xsi_type")}
    owner = Owner(OwnerKind(fields["kind"]), "", texts.pop("id"), **texts)
    resources = tuple(
        (ResourceKey(scan, label), int(files), int(size)) for scan, label, files, size in fields["resources"]
    )
    return HeldEntity(owner, _path(fields["place"]), _text(fields["document"]), _text(fields["listing"]), resources)


# --- descriptions ------------------------------------------------------------------------------------------------


def description_text(owner: Owner, thing: Described) -> str:
    """Return the document of an entity: how it is called, and everything that its server says of it."""
    return (
        json.dumps({"entity": _owner_fields(owner), "described": _thing_fields(thing)}, indent=1, ensure_ascii=True)
        + "\n"
    )


def read_description(text: str) -> tuple[Owner, Described]:
    """Read the document of an entity; FolderUnusable when it is none."""
    document = _document(text, "the description of an entity")
    try:
        who = dict(document["entity"])
        owner = Owner(OwnerKind(who.pop("kind")), "", _text(who.pop("id")), **{name: _text(who[name]) for name in who})
        return owner, _thing(document["described"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise FolderUnusable("the description of an entity says too little") from None


def _thing_fields(thing: Described) -> dict[str, object]:
    return {
        "kind": thing.kind.value,
        "id": thing.id,
        "label": thing.label,
        "xsi_type": thing.xsi_type,
        "root": thing.root,
        "fields": [list(one) for one in thing.fields],
        "custom": [list(one) for one in thing.custom],
        "shares": [[one.project, one.label] for one in thing.shares],
        "resources": [[one.label, one.side, one.format, one.content] for one in thing.resources],
        "parts": [_thing_fields(part) for part in thing.parts],
    }


def _thing(fields: Mapping[str, Any]) -> Described:
    return Described(
        ThingKind(fields["kind"]), _text(fields["id"]), _text(fields["label"]), _text(fields["xsi_type"]),
        fields=tuple((_text(path), _text(value)) for path, value in fields["fields"]),
        custom=tuple((_text(name), _text(value)) for name, value in fields["custom"]),
        shares=tuple(Share(_text(project), _text(label)) for project, label in fields["shares"]),
        resources=tuple(
            Stored(_text(label), _side(side), _text(form), _text(content))
            for label, side, form, content in fields["resources"]
        ),
        parts=tuple(_thing(part) for part in fields["parts"]), root=_text(fields["root"]),
    )  # fmt: skip


# --- lists of files ----------------------------------------------------------------------------------------------


def listing_text(files: Iterable[HeldFile]) -> str:
    """Return a list of files, one a line."""
    return "".join(f"{json.dumps(asdict(file), ensure_ascii=True)}\n" for file in files)


def read_listing(text: str) -> Iterator[HeldFile]:
    """Read a list of files; FolderUnusable for what is none."""
    for line in text.splitlines():
        try:
            fields = json.loads(line)
            texts = {name: _text(fields[name]) for name in ("scan", "resource", "name", "sha256", "md5")}
            size, path = fields["size"], _path(fields["path"])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise FolderUnusable("the list of the files of an entity is damaged") from None
        is_known = _SHA256.fullmatch(texts["sha256"]) and _MD5.fullmatch(texts["md5"])
        if not is_known or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise FolderUnusable("the list of the files of an entity has no size or digest of a file")
        yield HeldFile(path=path, size=size, **texts)


def counted_up(files: Iterable[HeldFile]) -> tuple[tuple[ResourceKey, int, int], ...]:
    """Count files and bytes of each resource."""
    found: dict[ResourceKey, tuple[int, int]] = {}
    for file in files:
        many, size = found.get(file.key, (0, 0))
        found[file.key] = many + 1, size + file.size
    return tuple((key, *found[key]) for key in sorted(found))


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text; "" of none."""
    return _sha256(text) if text else ""


# --- changes of a description ------------------------------------------------------------------------------------


def with_fields(thing: Described, other: Described, paths: Iterable[str]) -> Described:
    """Return a thing with the fields of another at some paths, in the order of the other."""
    chosen, old, new = frozenset(paths), dict(thing.fields), dict(other.fields)
    merged = old | {path: value for path, value in new.items() if path in chosen}
    order = [path for path in new if path in merged] + [path for path in old if path not in new]
    return replace(thing, fields=tuple((path, merged[path]) for path in order))


def with_part(thing: Described, kind: ThingKind | None, name: str, made: Described) -> Described:
    """Return a thing with one of its parts in place of that of this name, or beside the others."""
    if kind is None:
        return made
    places = [at for at, part in enumerate(thing.parts) if (part.kind, part.name) == (kind, name)]
    parts = list(thing.parts)
    if places:
        parts[places[0]] = made
    else:
        parts.append(made)
    return replace(thing, parts=tuple(parts))


# --- reading texts -----------------------------------------------------------------------------------------------


def _document(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise FolderUnusable(f"{what} is damaged, or was cut") from None
    if not isinstance(found, dict):
        raise FolderUnusable(f"{what} is another document")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _side(value: object) -> Side:
    return "in" if value == "in" else "out" if value == "out" else ""


def _path(value: object) -> str:
    try:
        return check_path(_text(value))
    except HostileName as error:
        raise FolderUnusable(f"a path of the folder cannot be used: {error}") from None


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
