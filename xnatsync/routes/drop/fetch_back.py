"""What is proven deeper than by name is fetched back; where that is not enough, the source is read once more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xnatsync.core.compare import FETCHED, NO_PIXELS, Same, compare
from xnatsync.core.errors import Stopped
from xnatsync.core.heads import PRIVATE, PUBLIC, RECORD
from xnatsync.core.manifest import Compared, Kind, Level
from xnatsync.core.receipt import Place
from xnatsync.core.remote import FileListing
from xnatsync.core.streams import closed_after
from xnatsync.core.tree import Node, Problem, Tree
from xnatsync.dicom.identity import PixelFacts, pixel_digest
from xnatsync.ledger.rows import FileRow, UnitRow
from xnatsync.routes.drop.members import as_manifest
from xnatsync.routes.drop.settings import DropRoute, is_attached, object_key
from xnatsync.routes.drop.world import World


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a study lies: sessions of the archive by their IDs, and our row of the prearchive where it waits there."""

    place: Place
    archived: tuple[tuple[str, FileListing], ...]
    staged: FileListing | None = None

    @property
    def listing(self) -> FileListing:
        """Everything together."""
        listings = [listing for _, listing in self.archived] + ([self.staged] if self.staged is not None else [])
        files = tuple(file for listing in listings for file in listing.files)
        return FileListing(files, complete=all(listing.complete for listing in listings))


@dataclass(frozen=True, slots=True)
class _Back:
    """One object as it came back."""

    size: int
    digests: dict[str, str]
    sop_uid: str


def deepened(
    world: World,
    route: DropRoute,
    unit: UnitRow,
    files: Sequence[FileRow],
    source: Tree,
    target: Tree,
    seen: Seen,
    level: Level,
) -> tuple[Tree, Tree]:
    """Return both trees with the digests that the proof needs.

    From `pixels` on that is everything.  Below, it is what no server acknowledged from here: a name says nothing of
    who put it there, and what.  In the prearchive nothing can be fetched; there only our own row is proven.
    """
    members = {file.member: file.key for file in files if file.kind == Kind.DICOM}
    known = world.ledger.acknowledged(unit)
    archived = {object_key(file, members) for _, listing in seen.archived for file in listing.files}
    strange = {key for key in source if not is_attached(key) and key not in known and key in archived}
    wanted = {key for key in source if not is_attached(key)} if level.rank >= Level.PIXELS.rank else strange
    if not wanted:
        return source, target
    back = _fetched(world, unit, seen, members, wanted)
    strange |= _renamed(back, source, known) | _replaced(world, unit, back)
    listed_md5 = level.rank < Level.PIXELS.rank
    target = Tree([_node(node, back, listed_md5) for node in target.values()], complete=target.complete)
    return _completed(world, route, unit, files, _marked(source, strange), target, level), target


def _node(node: Node | Problem, back: Mapping[str, _Back], listed_md5: bool) -> Node | Problem:
    """The stored object with the digests of what came back; what did not come back has none, so proves nothing.

    Under a receipt by names the merge base remembers what is listed, because that is compared with listings later.
    """
    found = back.get(node.key)
    if not isinstance(node, Node) or found is None:
        return node
    digests = {**found.digests, "md5": node.digests.get("md5", "")} if listed_md5 else found.digests
    return Node(node.key, node.size if listed_md5 else found.size, 0, digests, node.where)


def _replaced(world: World, unit: UnitRow, back: Mapping[str, _Back]) -> set[str]:
    """List the objects that are not any more what an earlier proof found: somebody stored or changed them since.

    What a server acknowledged long ago says nothing of these.  One that was sent again since is not among them.
    """
    entries = world.ledger.entries(unit.route, unit.target)
    return {
        key
        for key, one in back.items()
        if (entry := entries.get(key)) is not None
        and entry.state == "verified"
        and entry.target_digest not in {"", one.digests["md5"]}
    }


def _renamed(back: Mapping[str, _Back], source: Tree, known: frozenset[str]) -> set[str]:
    """List the objects that came back under another SOP Instance UID than they were sent with.

    A script may rewrite that of every object; then all of each object but its head must be ours.  Where it is some
    objects only, or not one for one, or nothing was acknowledged, another object lies in the place of ours.
    """
    others = {key: one.sop_uid for key, one in back.items() if one.sop_uid != key}
    script = (
        others.keys() == back.keys()
        and others.keys() <= known
        and len(set(others.values())) == len(others)
        and not any(uid in source or not uid for uid in others.values())
    )
    if script:
        return set(others)
    for key, uid in others.items():
        back[key].digests.update(dict.fromkeys(back[key].digests, f"of object {uid}"))
    return set()


def _marked(source: Tree, strange: set[str]) -> Tree:
    nodes = (
        replace(node, unacknowledged=True) if isinstance(node, Node) and node.key in strange else node
        for node in source.values()
    )
    return Tree(nodes, complete=source.complete)


def _completed(
    world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], source: Tree, target: Tree, level: Level
) -> Tree:
    """Read once more those objects of the source of which the manifest says too little to compare them."""
    short = {
        key for key, node in source.items()
        if isinstance(node, Node) and isinstance(theirs := target.get(key), Node) and FETCHED in theirs.digests
        and not is_attached(key) and (level is not Level.BYTES or node.unacknowledged)
        and (compare(node, theirs, Level.PIXELS)[0] is Same.CANNOT_TELL or _head_counts(route, node, theirs))
    }  # fmt: skip
    read = [file for file in files if file.kind == Kind.DICOM and file.key in short]
    if not read:
        return source
    item = world.ledger.item(unit.item_id)
    keys = {file.path: file.key for file in read}
    facts: dict[str, PixelFacts] = {}
    for file, chunks in world.disk.stream(route.source(item), [as_manifest(one) for one in read]):
        found = pixel_digest(_stoppable(world, chunks), content=True)
        if not found.problem:  # what cannot be read on both sides must not count as equal
            facts[keys[file.path]] = found
    nodes = (
        replace(node, digests={**node.digests, **told(facts[node.key])})
        if isinstance(node, Node) and node.key in facts
        else node
        for node in source.values()
    )
    return Tree(nodes, complete=source.complete)


def _head_counts(route: DropRoute, ours: Node, theirs: Node) -> bool:
    """Tell whether the source has to be read for its head: before it is removed, where other bytes came back."""
    return route.after == "delete" and compare(ours, theirs, Level.PIXELS) == (Same.YES, Compared.PIXELS)


def told(facts: PixelFacts) -> dict[str, str]:
    """What the reader found, as digests of a node: a damaged object must not pass for one that never had pixels."""
    pixels = facts.pixels.hex() if facts.pixels is not None else facts.problem or NO_PIXELS
    found = {"pixels": pixels}
    if facts.content is not None and facts.public is not None:
        found |= {"content": facts.content.hex(), PUBLIC: facts.public.hex()}
        found |= {PRIVATE: "yes" if facts.has_private else "no"}
        found |= {RECORD: facts.record.hex()} if facts.record is not None else {}
    return found


def _fetched(world: World, unit: UnitRow, seen: Seen, members: Mapping[str, str], wanted: set[str]) -> dict[str, _Back]:
    found: dict[str, _Back] = {}
    for session_id, listing in seen.archived:
        keys = {(file.scan, file.resource, file.name): object_key(file, members) for file in listing.files}
        scans = sorted({file.scan for file in listing.files if object_key(file, members) in wanted})
        if not scans:
            continue
        with closed_after(world.server(unit.server).fetch_scans(session_id, scans)) as files:
            for scan, resource, name, content in files:
                key = keys.get((scan, resource, name))
                back = _read(world, unit, content)
                if key in wanted:
                    first = found.setdefault(key, back)
                    if first != back:  # stored twice: which of the two is proven?
                        odd = dict.fromkeys(back.digests, "stored twice, and not the same")
                        found[key] = _Back(back.size, odd, key)
    return found


def _read(world: World, unit: UnitRow, content: Iterator[bytes]) -> _Back:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = 0

    def passing() -> Iterator[bytes]:
        nonlocal size
        for chunk in _stoppable(world, content):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
            world.progress.fetched(len(chunk))
            yield chunk

    stream = passing()
    facts = pixel_digest(stream, content=True)
    for _ in stream:  # whatever follows the pixel data belongs to the digests too
        pass
    return _Back(size, {FETCHED: sha256.hexdigest(), "md5": md5.hexdigest(), **told(facts)}, facts.sop_uid)


def _stoppable(world: World, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if world.stopping():
            raise Stopped("the proof was interrupted by a request to stop")
        yield chunk
