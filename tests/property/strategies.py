"""What the tests of the pure core are built from: nodes, trees, manifests, and one unit before one server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from xnatsync.core.drop_view import LastAttempt, ServerView, Wish
from xnatsync.core.manifest import Kind, ManifestFile, ObjectIdentity
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, ProjectSeen, SessionSeen
from xnatsync.core.tree import Node, Tree

NOON = "2026-03-01T12:00:00.000Z"
PROJECT, SUBJECT, SESSION, STUDY, OTHER = "P", "S1", "S1_MR", "1.2.3", "9.8.7"
SIZE, FLOOR = 100, 60


# --- trees -------------------------------------------------------------------------------------------------------


def node(key: str, content: int, *, told: bool = True) -> Node:
    """A node whose content is a number: equal numbers, equal digests.  Untold: the side gave no digests."""
    text = str(content)
    digests = {
        "md5": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "pixels": hashlib.sha256(b"pixels" + text.encode()).hexdigest(),
    }
    return Node(key, SIZE + content, FLOOR, digests if told else {}, f"somewhere/{key}")


def tree(contents: Mapping[str, int], *, complete: bool = True) -> Tree:
    """A tree of such nodes."""
    return Tree((node(key, content) for key, content in contents.items()), complete=complete)


KEYS = st.sampled_from("abcdef")
CONTENTS = st.dictionaries(KEYS, st.integers(1, 3))


@st.composite
def perturbed(draw: st.DrawFn, contents: Mapping[str, int]) -> dict[str, int]:
    """The same tree after somebody was at it: some keys gone, some changed, some new."""
    changes = draw(st.dictionaries(KEYS, st.integers(0, 4)))
    changed = {**contents, **changes}
    return {key: content for key, content in changed.items() if content}


# --- manifests ---------------------------------------------------------------------------------------------------


def dicom(path: str, uid: str = "", study: str = STUDY, series: str = "1.2.3.1", **tags: str) -> ManifestFile:
    """One object of a manifest; its UID is made of its path unless it is given."""
    digest = hashlib.sha256(path.encode()).digest()
    uid = uid or "2.25." + str(int.from_bytes(digest[:8], "big"))
    identity = ObjectIdentity(uid, "1.2.840.10008.5.1.4.1.1.4", study, series, modality=tags.get("Modality", "MR"))
    values = {"PatientID": "S1", "Modality": "MR", "StudyDate": "20260301", "StudyTime": "1000"} | tags
    return ManifestFile(path, SIZE, 1, digest, 1, digest[:16], Kind.DICOM, "", identity, tags=values)


def other(path: str) -> ManifestFile:
    """A file that is no object."""
    return ManifestFile(path, 3, 1, bytes(32), 1, bytes(16), Kind.OTHER, "not DICOM")


# --- one unit before one server ----------------------------------------------------------------------------------


def wish(**changes: Any) -> Wish:
    """What the unit wants."""
    facts: dict[str, Any] = {
        "project": PROJECT,
        "subject": SUBJECT,
        "session": SESSION,
        "study_uid": STUDY,
        "destination": "archive",
        "collision": "hold",
        "where": f"study {STUDY} (in exam)",
    }
    return Wish(**(facts | changes))


def session(**changes: Any) -> SessionSeen:
    """A session of the archive: ours, unless it says otherwise."""
    facts = {"id": "E1", "project": PROJECT, "label": SESSION, "subject": SUBJECT, "study_uid": STUDY}
    return SessionSeen(**(facts | changes))


def row(state: PrearchiveState, **changes: Any) -> PrearchiveSeen:
    """A row of the prearchive: ours, unless it says otherwise."""
    facts: dict[str, Any] = {
        "uri": "/prearchive/projects/P/20260301_1/S1_MR",
        "project": PROJECT,
        "name": SESSION,
        "subject": SUBJECT,
        "study_uid": STUDY,
        "status": state.name,
    }
    return PrearchiveSeen(**(facts | changes), state=state)


def view(**changes: Any) -> ServerView:
    """What the server showed: an empty project, unless it says otherwise."""
    facts: dict[str, Any] = {
        "project": ProjectSeen(PROJECT),
        "may_edit": True,
        "sessions": (),
        "claimed": frozenset(),
        "archive": None,
        "row": None,
        "strangers": (),
        "staged": None,
    }
    return ServerView(**(facts | changes))


def objects(keys: Iterable[str], *, complete: bool = True, size: int | None = SIZE) -> Tree:
    """What a listing shows of objects: names and sizes, no digests."""
    return Tree((Node(key, size, where=f"1/DICOM/{key}.dcm") for key in keys), complete=complete)


def sources(keys: Iterable[str]) -> Tree:
    """What the manifest knows of objects."""
    return Tree((Node(key, SIZE, FLOOR, {"sha256": "aa"}, f"exam/{key}") for key in keys), complete=True)


def attempt(effect: str, outcome: str = "ok", began_at: str = NOON, quiet_at: str = NOON) -> LastAttempt:
    """The newest effect of the unit."""
    return LastAttempt(effect, outcome, began_at, quiet_at)
