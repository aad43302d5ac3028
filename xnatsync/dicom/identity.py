"""What an object says of itself, and the digest of its pixel data: equal before and after a server rewrote the head."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from xnatsync.core.manifest import ObjectIdentity
from xnatsync.dicom.fields import CHARACTER_SET, text_of
from xnatsync.dicom.head import Head, read_head

SOP_CLASS, SOP_UID, STUDY_UID, SERIES_UID = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
SERIES_NUMBER, MODALITY, SERIES_DESCRIPTION = 0x00200011, 0x00080060, 0x0008103E
IDENTITY_TAGS = frozenset(
    {CHARACTER_SET, SOP_CLASS, SOP_UID, STUDY_UID, SERIES_UID, SERIES_NUMBER, MODALITY, SERIES_DESCRIPTION}
)
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+")
_NEARLY = re.compile(r"[0-9A-Za-z._ +~-]{1,128}")  # can be a key and a part of a file name; no step in a path
# XNAT makes the Series Number the ID of the scan, with the modality where several series share one (import.md §4.5).
# That is a part of addresses, which XNAT does not decode (hierarchy.md §1.6): what needs encoding may have none.
_SCAN = re.compile("[^/\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]{1,64}")
_ADDRESSED = re.compile(r"[+-]?[A-Za-z0-9._~-]+")
_SEVERAL = frozenset({"ALL", "NULL"})  # mean more than one scan, or none
_MODALITY = re.compile(r"[A-Za-z0-9_.-]{1,16}")
_SHOWN = 16
_REQUIRED = (
    (SOP_CLASS, "SOP Class UID"),
    (SOP_UID, "SOP Instance UID"),
    (STUDY_UID, "Study Instance UID"),
    (SERIES_UID, "Series Instance UID"),
)


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """What proves that an object is ours, whatever happened to its head."""

    sop_uid: str  # "" when the stream is not a DICOM object
    transfer_syntax: str
    pixels: bytes | None  # sha256 of the pixel data's value; None when the object has none
    problem: str = ""  # why the stream is not one whole object: then it proves nothing
    content: bytes | None = None  # sha256 of what servers do not rewrite, pixel data aside; None: nothing, or not asked
    public: bytes | None = None  # the same without private elements
    has_private: bool = False
    record: bytes | None = None  # sha256 of what it says of how it was de-identified


def pixel_digest(chunks: Iterable[bytes], *, content: bool = False) -> PixelFacts:
    """Read a stream to its end, in constant memory, and digests the pixel data it carries.

    Native pixel data counts as stored, without a byte that pads an odd number of samples; encapsulated pixel data
    counts as its fragments joined, without item headers and offset table, which a server may write anew.  With
    `content`, everything else is digested too that servers do not rewrite as a matter of course.
    """
    stream = iter(chunks)
    head = read_head(stream, frozenset({SOP_UID}), hash_pixels=True, hash_content=content)
    for _ in stream:
        pass
    if head is None:
        return PixelFacts("", "", None, "not a DICOM object")
    sop_uid = value(head, SOP_UID)
    problem = head.problem or ("" if is_usable(sop_uid) else "it has no SOP Instance UID")
    if problem:
        return PixelFacts(sop_uid, head.transfer_syntax, None, problem)
    return PixelFacts(
        sop_uid, head.transfer_syntax, head.pixels, "", head.content, head.public, head.has_private, head.record
    )


def study_in(chunks: Iterable[bytes]) -> str:
    """Return the Study Instance UID that the beginning of a stream tells, "" when it tells none.

    The stream may end anywhere after it: that an object is not whole says nothing of the study it is of.
    """
    head = read_head(chunks, frozenset({STUDY_UID, SOP_CLASS}), hash_pixels=False)
    if head is None or not (head.preamble or value(head, SOP_CLASS)):
        return ""
    return value(head, STUDY_UID)


def value(head: Head, tag: int, vr: str = "UI") -> str:
    """Return a value of the head as text, "" when it is absent; `vr` counts where the object does not say it."""
    if tag not in head.values:
        return ""
    stored_vr, raw = head.values[tag]
    return text_of(
        raw, vr if stored_vr in {"", "UN"} else stored_vr, head.coding, head.values.get(CHARACTER_SET, ("", b""))[1]
    )


def is_uid(text: str) -> bool:
    """Return whether a text can be a UID: at most 64 digits and dots.  Leading zeros occur, and servers take them."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def is_usable(text: str) -> bool:
    """Return whether a text can stand for a UID, although it need not be one: others wrote it, and servers take it."""
    return _NEARLY.fullmatch(text) is not None and bool(text.strip(" ."))


def flaw(head: Head) -> str:
    """Say why an object cannot be filed anywhere, "" when it can."""
    uids = {name: value(head, tag) for tag, name in _REQUIRED}
    if missing := [name for name, uid in uids.items() if not uid]:
        return f"DICOM, but it has no {', no '.join(missing)}"
    if wrong := [name for name, uid in uids.items() if not is_usable(uid)]:
        return f"DICOM, but its {' and its '.join(wrong)} cannot be a UID"
    number = _series_number(head)
    if number and (_SCAN.fullmatch(number) is None or number in {".", ".."}):
        return f"DICOM, but its Series Number {_shown(number)} cannot name a scan"
    return ""


def oddity(head: Head) -> str:
    """Say what is not as the standard wants it in an object that can be delivered all the same, "" when nothing is."""
    wrong = [name for tag, name in _REQUIRED if not is_uid(value(head, tag))]
    verb = "is no legal UID" if len(wrong) == 1 else "are no legal UIDs"
    said = [f"its {' and its '.join(wrong)} {verb}"] if wrong else []
    said += _odd_parts_of_addresses(head)
    said += [head.odd] if head.odd else []
    return f"DICOM, but {', and '.join(said)}" if said else ""


def _odd_parts_of_addresses(head: Head) -> list[str]:
    """Say of what may have no address on a server that it has none for certain: the standard allows none of it."""
    number, modality = _series_number(head), value(head, MODALITY, "CS").strip(" ")
    said = []
    if number and (_ADDRESSED.fullmatch(number) is None or number.upper() in _SEVERAL):
        said.append(f"its Series Number {_shown(number)} is no number, and a scan of that name may have no address")
    if modality and _MODALITY.fullmatch(modality) is None:
        said.append(f"its Modality {_shown(modality)} is no code, and may become a part of a scan's name")
    return said


def _series_number(head: Head) -> str:
    return value(head, SERIES_NUMBER, "IS").strip(" ")  # no other space: what servers keep of it is another name


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def identity_of(head: Head) -> ObjectIdentity:
    """Collect what an object says of itself."""
    return ObjectIdentity(
        sop_uid=value(head, SOP_UID),
        sop_class=value(head, SOP_CLASS),
        study_uid=value(head, STUDY_UID),
        series_uid=value(head, SERIES_UID),
        series_number=_series_number(head),
        modality=value(head, MODALITY, "CS").strip(" "),
        transfer_syntax=head.transfer_syntax,
        description=value(head, SERIES_DESCRIPTION, "LO").strip(),
    )
