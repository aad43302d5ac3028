"""The verdict on one thing: from a listing, from what was fetched back, from what our disk gave."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.core.compare import NO_PIXELS, Same, same
from xnatsync.core.manifest import Level
from xnatsync.core.tree import Node, Problem
from xnatsync.core.verification import Verdict


@dataclass(frozen=True, slots=True)
class Got:
    """What a server gave back for one object."""

    size: int
    sha256: str
    md5: str
    pixels: str  # digest, or NO_PIXELS, or why it cannot be told
    sop_uid: str
    content: str = ""  # digest of all that servers do not rewrite, pixel data aside; "" when it cannot be told
    twice: bool = False  # it is stored twice, and not the same


Judgement = tuple[Verdict, str]
SAME: Judgement = (Verdict.SAME, "")


def judge_listed(ours: Node, theirs: Node | Problem | None, *, complete: bool, proven: Node | None) -> Judgement:
    """Judge by a listing alone; `proven` is what the target showed when there was a receipt, if that is known.

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
    """Say what is not as it was proven, "" when nothing tells so."""
    if proven is None:
        return ""
    if proven.size is not None and theirs.size is not None and proven.size != theirs.size:
        return f"it had {proven.size} bytes when it was proven, and has {theirs.size} now"
    was, now = proven.digests.get("md5", ""), theirs.digests.get("md5", "")
    return "its digest is not what it was when it was proven" if was and now and was != now else ""


def judge_content(ours: Node, got: Got | None, level: Level, *, proven_md5: str, proven_at: Level) -> Judgement:
    """Judge what was fetched back, at `pixels` or `bytes`.

    XNAT may have rewritten the head on arrival, so other bytes are a difference only where bytes were proven before.
    `proven_md5` is of what was fetched back then; "" where the receipt was by names, or is not known.
    """
    if got is None:
        return Verdict.UNVERIFIABLE, "the server lists it, and did not send it"
    if got.twice:
        return Verdict.UNVERIFIABLE, "it is stored twice, and not the same"
    if got.sha256 == ours.digests.get("sha256"):
        return SAME
    pixels, content = _equal(ours, "pixels", got.pixels), _equal(ours, "content", got.content)
    changed = bool(proven_md5) and proven_md5 != got.md5
    unchanged = bool(proven_md5) and not changed
    # A script may rewrite UIDs: then it is ours by all that is not head.
    as_another = got.sop_uid != ours.key and not unchanged
    if as_another and not (got.sop_uid and content and pixels is not False):
        what = f"object {got.sop_uid}" if got.sop_uid else "no DICOM object"
        return Verdict.DIFFERS, f"what is stored there is {what}"
    if proven_at is Level.BYTES:
        return Verdict.DIFFERS, "its bytes are not ours, and they were when it was proven"
    if pixels is False:
        return Verdict.DIFFERS, "its pixel data are not ours"
    if content is False and not pixels:
        return Verdict.DIFFERS, "what it says is not ours, heads aside"
    if level is Level.PIXELS:
        if pixels or content or unchanged:
            return SAME
        return Verdict.UNVERIFIABLE, _why_not(ours)
    if changed:
        return Verdict.DIFFERS, "its head is not what it was when it was proven"
    held = "; its pixel data are ours" if pixels else "; what it says is ours" if content else ""
    return Verdict.UNVERIFIABLE, f"the server may rewrite heads, so other bytes prove nothing{held}"


def _why_not(ours: Node) -> str:
    if ours.digests.get("pixels") == NO_PIXELS:
        return "it has no pixel data, and there is no copy of it to compare"
    return "its pixel data were not digested when it was dropped, and there is no copy of it"


def _equal(ours: Node, name: str, theirs: str) -> bool | None:
    """Compare a digest; None when a side has none.  That both have no pixel data is no evidence."""
    own = ours.digests.get(name, "")
    if not own or not theirs or own == theirs == NO_PIXELS:
        return None
    return own == theirs


def judge_bytes(size: int, sha256: str, got_size: int, got_sha256: str) -> Judgement:
    """Judge content that nobody may rewrite."""
    if sha256 == got_sha256:
        return SAME
    if size != got_size:
        return Verdict.DIFFERS, f"it has {got_size} bytes instead of {size}"
    return Verdict.DIFFERS, "its size is right, and its content is not"
