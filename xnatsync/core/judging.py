"""The verdict on one thing: from a listing, from what was fetched back, from what our disk gave."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.core.compare import Same, same
from xnatsync.core.manifest import Level
from xnatsync.core.tree import Node, Problem
from xnatsync.core.verification import Verdict


@dataclass(frozen=True, slots=True)
class Got:
    """What a server gave back for one object."""

    size: int
    sha256: str
    md5: str
    pixels: str  # digest, or what there is instead of pixel data, or why it cannot be told
    sop_uid: str
    twice: bool = False  # it is stored twice, and not the same


Judgement = tuple[Verdict, str]
SAME: Judgement = (Verdict.SAME, "")


def judge_listed(ours: Node, theirs: Node | Problem | None, *, complete: bool, proven: Node | None) -> Judgement:
    """Judges by a listing alone; `proven` is what the target showed when there was a receipt, if that is known.

    A listing that is not complete proves presence, never absence.
    """
    if theirs is None:
        return (Verdict.MISSING, "") if complete else (Verdict.UNVERIFIABLE, "the listing is not complete")
    if isinstance(theirs, Problem):
        return Verdict.UNVERIFIABLE, theirs.reason
    verdict = same(ours, theirs, Level.NAMES)
    if verdict is Same.NO:
        return Verdict.DIFFERS, f"it has {theirs.size} bytes, which cannot be it"
    if drift := _drift(proven, theirs):
        return Verdict.DIFFERS, drift
    return SAME if verdict is Same.YES else (Verdict.UNVERIFIABLE, "the server states no size")


def _drift(proven: Node | None, theirs: Node) -> str:
    """Says what is not as it was proven, "" when nothing tells so."""
    if proven is None:
        return ""
    if proven.size is not None and theirs.size is not None and proven.size != theirs.size:
        return f"it had {proven.size} bytes when it was proven, and has {theirs.size} now"
    was, now = proven.digests.get("md5", ""), theirs.digests.get("md5", "")
    return "its digest is not what it was when it was proven" if was and now and was != now else ""


def judge_content(ours: Node, got: Got | None, level: Level, *, proven_md5: str, proven_at: Level) -> Judgement:
    """Judges what was fetched back, at `pixels` or `bytes`.

    XNAT may have rewritten the head on arrival, so other bytes are a difference only where bytes were proven before.
    `proven_md5` is of what was fetched back then; "" where the receipt was by names, or is not known.
    """
    if got is None:
        return Verdict.UNVERIFIABLE, "the server lists it, and did not send it"
    if got.twice:
        return Verdict.UNVERIFIABLE, "it is stored twice, and not the same"
    if got.sha256 == ours.digests.get("sha256"):
        return SAME
    if got.sop_uid != ours.key:
        return (
            Verdict.DIFFERS,
            f"what is stored there is {f'object {got.sop_uid}' if got.sop_uid else 'no DICOM object'}",
        )
    if proven_at is Level.BYTES:
        return Verdict.DIFFERS, "its bytes are not ours, and they were when it was proven"
    pixels = ours.digests.get("pixels", "")
    if pixels and pixels != got.pixels:
        return Verdict.DIFFERS, "its pixel data are not ours"
    changed = bool(proven_md5) and proven_md5 != got.md5
    if level is Level.PIXELS:
        if pixels or (proven_md5 and not changed):
            return SAME
        return Verdict.UNVERIFIABLE, "its pixel data were not digested when it was dropped, and there is no copy of it"
    if changed:
        return Verdict.DIFFERS, "its head is not what it was when it was proven"
    return Verdict.UNVERIFIABLE, (
        "the server may rewrite heads, so other bytes prove nothing" + ("; its pixel data are ours" if pixels else "")
    )


def judge_bytes(size: int, sha256: str, got_size: int, got_sha256: str) -> Judgement:
    """Judges content that nobody may rewrite."""
    if sha256 == got_sha256:
        return SAME
    if size != got_size:
        return Verdict.DIFFERS, f"it has {got_size} bytes instead of {size}"
    return Verdict.DIFFERS, "its size is right, and its content is not"
