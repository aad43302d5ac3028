"""The files of one owner, compared one by one: what was agreed against the tree, and against the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xnatsync.core.errors import ReadFailed, ReplyStrange, SourceChanged, SourceUnreadable
from xnatsync.core.inventory import Owner, ResourceKey, ResourceSeen
from xnatsync.core.judging import SAME, Judgement, judge_bytes
from xnatsync.core.manifest import Level
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.selection import Selection
from xnatsync.core.streams import closed_after
from xnatsync.core.verification import Finding, Tally, Verdict
from xnatsync.ledger.tree_rows import VersionRow
from xnatsync.ports.tree import TreeLook
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.verify.examiner import Looking

Name = tuple[ResourceKey, str]


@dataclass(slots=True)
class _Judged:
    """The findings of one side while they are gathered."""

    tally: Tally = field(default_factory=Tally)
    findings: list[Finding] = field(default_factory=list)


# --- the tree ----------------------------------------------------------------------------------------------------


def compare_tree(
    looking: Looking,
    route: MirrorRoute,
    owner_id: int,
    versions: Sequence[VersionRow],
    look: TreeLook,
    level: Level,
) -> tuple[Tally, list[Finding]]:
    """Compare what was agreed with what lies in the tree; below `pixels` by names and sizes, else by reading it."""
    special = [problem.path for problem in look.problems if problem.special]
    blind = [(problem.path, problem.reason) for problem in look.problems]
    judged = _Judged()
    for version in versions:
        read, (verdict, detail) = _in_tree(looking, route, version, look, blind, level)
        judged.tally += Tally(1, int(verdict is Verdict.SAME), read)
        if read:
            looking.progress.read("owner", owner_id, judged.tally.expected, judged.tally.read_bytes)
        if verdict is not Verdict.SAME:
            odd = any(f"{version.path}/".startswith(f"{path}/") for path in special)
            judged.findings.append(Finding("tree", verdict, version.path, detail, special=odd))
    return judged.tally, judged.findings


def _in_tree(
    looking: Looking,
    route: MirrorRoute,
    version: VersionRow,
    look: TreeLook,
    blind: Sequence[tuple[str, str]],
    level: Level,
) -> tuple[int, Judgement]:
    looking.check_stop()
    facts = look.files.get(version.path)
    if facts is None:
        why = next((text for path, text in blind if f"{version.path}/".startswith(f"{path}/")), None)
        return 0, ((Verdict.MISSING, "") if why is None else (Verdict.UNREADABLE, why))
    if level.rank < Level.PIXELS.rank:
        if facts[0] == version.size:
            return 0, SAME
        return 0, (Verdict.DIFFERS, f"it has {facts[0]} bytes instead of {version.size}")
    try:
        content = looking.trees.read(route.folder, version.path, stop=looking.stopping)
    except SourceUnreadable as error:
        return 0, (Verdict.UNREADABLE, str(error))
    except SourceChanged as error:
        return 0, (Verdict.UNVERIFIABLE, f"it changed while it was looked at: {error}")
    if content.sha256 == version.sha256:
        return content.size, SAME
    if (content.size, content.mtime_ns) == (version.size, version.mtime_ns):
        return content.size, (Verdict.DIFFERS, "damaged: its size and time are as they were, and its content is not")
    return content.size, (Verdict.DIFFERS, "it was edited here")


# --- the server --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AtServer:
    """What a server lists of one owner, and what of it the route wants."""

    owner: Owner
    listing: FileListing
    wanted: Mapping[ResourceKey, ResourceSeen]
    selection: Selection

    def files(self) -> dict[Name, RemoteFile]:
        """Every listed file by its resource and name."""
        return {(ResourceKey(file.scan, file.resource), file.name): file for file in self.listing.files}

    def short(self) -> set[ResourceKey]:
        """The resources of which fewer files are listed than the server counts: absence proves nothing there."""
        many = Counter(ResourceKey(file.scan, file.resource) for file in self.listing.files)
        short = {ResourceKey(scan, label) for scan, label, _ in self.listing.refused}
        return short | {key for key, seen in self.wanted.items() if seen.files is not None and many[key] < seen.files}

    def wants(self, name: Name) -> bool:
        """Return whether the route would bring a file."""
        return name[0] in self.wanted and self.selection.wants_file(name[1])


def compare_server(
    looking: Looking, route: MirrorRoute, owner_id: int, versions: Sequence[VersionRow], there: AtServer, level: Level
) -> tuple[Tally, list[Finding]]:
    """Compare what was agreed with what the server lists; at `bytes` with what it gives."""
    base = {(version.key, version.name): version for version in versions}
    files, short = there.files(), there.short()
    judged = _Judged()
    if level is Level.COUNTS:
        _count(judged, base, files, there, short)
        return judged.tally, judged.findings
    listed = {name: _listed(version, files.get(name), there, short) for name, version in base.items()}
    if level.rank >= Level.PIXELS.rank:
        same = {name for name, judgement in listed.items() if judgement[0] in {Verdict.SAME, Verdict.UNVERIFIABLE}}
        listed |= _given(looking, route, owner_id, {name: base[name] for name in same & files.keys()}, there, judged)
    for name, version in base.items():
        verdict, detail = listed[name]
        judged.tally += Tally(1, int(verdict is Verdict.SAME))
        if verdict is not Verdict.SAME:
            judged.findings.append(Finding("server", verdict, version.path, detail))
    for name in files:
        if name not in base and there.wants(name):
            key = f"{name[0].scan or '-'}/{name[0].label}/{name[1]}"
            judged.findings.append(Finding("server", Verdict.EXTRA, key, "new on the server, and not fetched yet"))
    return judged.tally, judged.findings


def _listed(version: VersionRow, file: RemoteFile | None, there: AtServer, short: set[ResourceKey]) -> Judgement:
    if file is None:
        whole = there.listing.complete and version.key not in short
        return (Verdict.MISSING, "") if whole else (Verdict.UNVERIFIABLE, "the listing is not complete")
    if file.size is not None and file.size != version.size:
        return Verdict.DIFFERS, f"replaced there: it has {file.size} bytes instead of {version.size}"
    if file.digest and file.digest != version.md5:
        return Verdict.DIFFERS, "replaced there by another of the same size"
    if file.size is None and not file.digest:
        return Verdict.UNVERIFIABLE, "the server states neither size nor digest"
    return SAME


def _given(
    looking: Looking,
    route: MirrorRoute,
    owner_id: int,
    wanted: Mapping[Name, VersionRow],
    there: AtServer,
    judged: _Judged,
) -> dict[Name, Judgement]:
    """Fetch files and compare their bytes; what was not sent, or not to its end, is neither same nor different."""
    keys = sorted({key for key, _ in wanted})
    found: dict[Name, Judgement] = {}
    why = "the server lists it, and did not send it"
    sizes = {(ResourceKey(file.scan, file.resource), file.name): file.size for file in there.listing.files}

    def told(size: int) -> None:
        judged.tally += Tally(read_bytes=size)
        looking.progress.fetched(size)

    try:
        with closed_after(looking.archive(route.server).fetch_resources(there.owner, keys, sizes=sizes)) as files:
            for key, name, pieces in files:
                version = wanted.get((key, name))
                if version is not None:
                    passing = looking.digested(pieces, told).drain()
                    found[key, name] = judge_bytes(version.size, version.sha256.hex(), passing.size, passing.sha256)
    except (ReadFailed, ReplyStrange) as error:
        why = str(error)
    return {name: found.get(name, (Verdict.UNVERIFIABLE, why)) for name in wanted}


def _count(
    judged: _Judged,
    base: Mapping[Name, VersionRow],
    files: Mapping[Name, RemoteFile],
    there: AtServer,
    short: set[ResourceKey],
) -> None:
    agreed = Counter(key for key, _ in base)
    listed = Counter(name[0] for name in files if name in base or there.wants(name))
    for key in sorted({*agreed, *listed}):
        ours, theirs = agreed[key], listed[key]
        judged.tally += Tally(ours, min(ours, theirs))
        if ours == theirs:
            continue
        verdict = Verdict.EXTRA if theirs > ours else Verdict.MISSING
        if verdict is Verdict.MISSING and (not there.listing.complete or key in short):
            verdict = Verdict.UNVERIFIABLE
        where, detail = f"{key.scan or '-'}/{key.label}", f"{theirs} files are listed, and {ours} were agreed"
        judged.findings.append(Finding("server", verdict, where, detail, abs(ours - theirs)))
