"""Images go to the destination as a DICOM import: nothing is archived that was not listed whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from transfer.pair import PROJECT, Pair
from xnatsync.core.errors import (
    NotOurs,
    ObjectsExtra,
    ObjectsMissing,
    PrearchiveOccupied,
    PrearchiveStuck,
    ReadFailed,
    SessionCollision,
    StudyElsewhere,
    XnatsyncError,
)
from xnatsync.core.import_decision import (
    Build,
    Commit,
    Discard,
    Hold,
    ImportView,
    ImportWish,
    OurRow,
    Send,
    Step,
    There,
    Wait,
    decide_import,
)
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.packing import SMALL_BYTES
from xnatsync.core.remote import ImportTarget, PrearchiveSeen, PrearchiveState, SessionSeen
from xnatsync.dicom.identity import PixelFacts
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.routes.transfer.carry import Reading
from xnatsync.routes.transfer.importing import Imported, Importer, act, look
from xnatsync.routes.transfer.load import Load
from xnatsync.routes.transfer.pixels import SAME, Verdict, compare_shown, facts_of, verdict

LABEL = "S1_MR"
KEYS = [ResourceKey("1", "DICOM"), ResourceKey("2", "DICOM")]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[ResourceKey, bytes, str, str]]:
    """Two series; one object is big: where it belongs, its bytes, its UID and its study."""
    tmp_path = tmp_path_factory.mktemp("study")
    plan = StudyPlan("P", "N", "20240101", (SeriesPlan(1, "T1", 4), SeriesPlan(2, "T2", 3)), size=(16, 16))
    found = []
    for number, path in enumerate(make_study(tmp_path, plan, seed=5)):
        image = pydicom.dcmread(path)
        if number == 6:
            image.Rows = image.Columns = 1500
            image.PixelData = bytes(2 * 1500 * 1500)
            image.save_as(path, enforce_file_format=True)
        key = KEYS[int(image.SeriesNumber) - 1]
        found.append((key, path.read_bytes(), str(image.SOPInstanceUID), str(image.StudyInstanceUID)))
    return found


@pytest.fixture
def wish(pair: Pair, study: list[tuple[ResourceKey, bytes, str, str]]) -> ImportWish:
    """The source holds it under names that tell nothing."""
    for number, (key, content, _, _) in enumerate(study):
        pair.source.plant({f"odd name {number}": content}, key)
    return ImportWish(PROJECT, "S1", LABEL, study[0][3], frozenset(uid for _, _, uid, _ in study))


def send(pair: Pair, wish: ImportWish, **more: object) -> Imported:
    loads = []
    for key in KEYS:
        listed = pair.source.listed(key)
        loads.append(Load(key, key, listed, listed, keeps_names=False))
    target = ImportTarget(wish.project, wish.subject, wish.session)
    with Reading(pair.source.server, pair.source.owner, loads) as reading:
        importer = Importer(pair.destination.server, target, wish.study_uid, "import-1", **more)  # type: ignore[arg-type]
        return importer.send((load.source, reading.of(load)) for load in loads)


def driven(pair: Pair, wish: ImportWish, row: OurRow = OurRow()) -> tuple[list[str], Step]:  # noqa: B008
    """Does what is decided until there is nothing to do."""
    done = []
    while len(done) < 12:
        step = decide_import(wish, row, look(pair.destination.server, wish, row))
        done.append(type(step).__name__)
        if isinstance(step, Send):
            imported = send(pair, wish)
            row = replace(row, uri=imported.uri, sends=row.sends + 1, broken=imported.broken)
        elif isinstance(step, Build | Commit | Discard):
            act(pair.destination.server, step, f"r-{len(done)}")
            if isinstance(step, Discard):
                row = OurRow(sends=row.sends)
        else:
            return done, step
    raise AssertionError(done)


def test_a_session_comes_into_being_by_import(pair: Pair, wish: ImportWish) -> None:
    """Sent, built, archived, and there; by what it shows as well; done again, nothing is done."""
    done, step = driven(pair, wish)

    assert done == ["Send", "Build", "Commit", "There"]
    assert isinstance(step, There)
    made = pair.destination.site.experiments[step.session_id]
    assert (made.label, set(made.scans)) == (LABEL, {"1", "2"})
    there = Owner(OwnerKind.SESSION, PROJECT, step.session_id)
    shown = compare_shown(
        facts_of(pair.source.server, pair.source.owner, KEYS), facts_of(pair.destination.server, there, KEYS)
    )
    assert (shown.same, shown.differs, shown.missing, shown.unproven) == (wish.objects, set(), set(), set())
    assert driven(pair, wish)[0] == ["There"]
    assert not pair.source.asked("PUT", "POST", "DELETE")


def test_requests_are_few_and_sent_objects_are_told(pair: Pair, wish: ImportWish) -> None:
    """One zip for each series here, and a tar for the big object."""
    imported = send(pair, wish)

    assert {one.uid for one in imported.sent} == wish.objects
    assert imported.requests == 3
    assert (imported.failure, imported.broken, imported.unfit, imported.lost) == (None, False, [], [])
    assert imported.bytes == sum(one.size for one in imported.sent) > SMALL_BYTES


def test_other_pixels_at_the_destination_are_seen(pair: Pair, wish: ImportWish) -> None:
    """One object is changed there, one is gone."""
    _, step = driven(pair, wish)
    assert isinstance(step, There)
    session = pair.destination.site.experiments[step.session_id]
    resource = session.scans["1"].resources["DICOM"]
    first, second = sorted(resource.entries)[:2]
    with pair.destination.site.store.open(f"{resource.folder}/{first}") as file:
        content = bytearray(file.read())
    content[-1] ^= 0xFF
    pair.destination.site.store.write(f"{resource.folder}/{first}", [bytes(content)])
    del resource.entries[second]
    there = Owner(OwnerKind.SESSION, PROJECT, step.session_id)

    shown = compare_shown(
        facts_of(pair.source.server, pair.source.owner, KEYS), facts_of(pair.destination.server, there, KEYS)
    )

    assert (len(shown.same), len(shown.differs), len(shown.missing)) == (5, 1, 1)


def facts(
    pixels: bytes | None = None, content: bytes | None = None, syntax: str = "1.2", problem: str = ""
) -> PixelFacts:
    return PixelFacts("1.2.3", syntax, pixels, problem, content)


VERDICTS = [
    (facts(b"a"), facts(b"a", syntax="1.9"), Verdict.PIXELS),
    (facts(b"a"), facts(b"b"), Verdict.DIFFERS),
    (facts(b"a"), facts(b"b", syntax="1.9"), Verdict.RECODED),
    (facts(b"a"), facts(None, b"c", syntax="1.9"), Verdict.DIFFERS),
    (facts(None, b"c"), facts(b"a", b"c"), Verdict.DIFFERS),
    (facts(b"a"), facts(b"a", problem="truncated"), Verdict.DIFFERS),
    (facts(b"a"), None, Verdict.MISSING),
    (facts(None, b"c"), facts(None, b"c"), Verdict.CONTENT),
    (facts(None, b"c"), facts(None, b"d"), Verdict.UID),
    (facts(None, None), facts(None, None), Verdict.UID),
]


@pytest.mark.parametrize(("ours", "theirs", "said"), VERDICTS)
def test_what_an_object_shows_is_judged(ours: PixelFacts, theirs: PixelFacts | None, said: Verdict) -> None:
    """Pixel data count where a side has any; another transfer syntax alone is no difference and no proof."""
    assert verdict(ours, theirs) is said
    assert (said in SAME) == (said in {Verdict.PIXELS, Verdict.CONTENT})


def test_what_is_no_object_or_of_another_study_is_told(pair: Pair, wish: ImportWish, tmp_path: Path) -> None:
    """And the same object twice is sent once; two of one UID that differ are not both sent."""
    other = make_study(tmp_path / "x", StudyPlan("Q", "M", "20240102", (SeriesPlan(1, "T1", 1),), size=(8, 8)), seed=9)
    first = pair.source.held(KEYS[0])["odd name 0"]
    pair.source.plant(
        {"notes.txt": b"no object", "other": other[0].read_bytes(), "twin": first, "z": first[:-1] + b"\xff"}, KEYS[0]
    )

    imported = send(pair, wish)

    assert {one.uid for one in imported.sent} == wish.objects
    assert sorted(left.name for left in imported.unfit) == ["notes.txt", "other", "z"]
    assert imported.failure is None


@pytest.mark.parametrize("kind", ["cut_request", "lost_reply"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_row_that_took_a_cut_upload_is_never_archived(pair: Pair, wish: ImportWish, kind: str, after: int) -> None:
    """It is deleted and everything is sent anew, wherever it was cut."""
    pair.destination.fault(
        "POST", "/data/services/import", kind, after=after, **({"bytes": 800} if kind[0] == "c" else {})
    )

    done, step = driven(pair, wish)

    assert isinstance(step, There)
    assert done.index("Commit") > len(done) - 1 - done[::-1].index("Send")
    there = Owner(OwnerKind.SESSION, PROJECT, step.session_id)
    shown = compare_shown(
        facts_of(pair.source.server, pair.source.owner, KEYS), facts_of(pair.destination.server, there, KEYS)
    )
    assert shown.same == wish.objects


def test_a_source_that_changes_a_big_object_breaks_the_upload_off(pair: Pair, wish: ImportWish) -> None:
    """And no row of that upload is archived."""
    held = pair.source.held(KEYS[1])["odd name 6"]
    loads = [Load(KEYS[1], KEYS[1], pair.source.listed(KEYS[1]), keeps_names=False)]
    pair.source.rot("odd name 6", held[:-4] + b"rots", KEYS[1])
    target = ImportTarget(wish.project, wish.subject, wish.session)

    with Reading(pair.source.server, pair.source.owner, loads) as reading:
        imported = Importer(pair.destination.server, target, wish.study_uid, "i").send(
            [(KEYS[1], reading.of(loads[0]))]
        )

    assert imported.broken
    assert isinstance(imported.failure, XnatsyncError)


def test_loads_that_never_ended_are_no_success(pair: Pair, wish: ImportWish) -> None:
    """Whatever came of them."""
    target = ImportTarget(wish.project, wish.subject, wish.session)
    imported = Importer(pair.destination.server, target, wish.study_uid, "i").send([(KEYS[0], iter(()))])
    assert isinstance(imported.failure, ReadFailed)


# --- the decision ------------------------------------------------------------------------------------------------

WISH = ImportWish("P", "S", "E", "1.2", frozenset({"a", "b"}))
URI = "/prearchive/projects/P/1/E"


def row(
    state: PrearchiveState = PrearchiveState.READY, uri: str = URI, name: str = "E", uid: str = "1.2"
) -> PrearchiveSeen:
    return PrearchiveSeen(uri, "P", name, "S", uid, state, state.name)


def session(label: str = "E", uid: str = "1.2", accession: str = "X1") -> SessionSeen:
    return SessionSeen(accession, "P", label, "S", uid)


OURS = OurRow(URI, 1)
WHOLE = frozenset({"a", "b"})
Case = tuple[OurRow, ImportView, Callable[[Step], bool]]


def holds(error: type[XnatsyncError]) -> Callable[[Step], bool]:
    return lambda step: isinstance(step, Hold) and isinstance(step.error, error)


CASES: dict[str, Case] = {
    "nothing there": (OurRow(), ImportView(), lambda step: step == Send(WHOLE)),
    "a part is archived": (
        OurRow(), ImportView((session(),), frozenset({"a"})), lambda step: step == Send(frozenset({"b"}))
    ),
    "all is archived": (OurRow(), ImportView((session(),), WHOLE), lambda step: step == There("X1")),
    "under another label": (OurRow(), ImportView((session("F"),), WHOLE), holds(StudyElsewhere)),
    "its label is taken": (OurRow(), ImportView((session(uid="9"),)), holds(SessionCollision)),
    "a stranger's row": (OurRow(), ImportView(rows=(row(),)), holds(PrearchiveOccupied)),
    "a stranger's, of the label": (OURS, ImportView(rows=(row(), row(uri="/o", uid="7"))), holds(PrearchiveOccupied)),
    "at work": (OURS, ImportView(rows=(row(PrearchiveState.WORKING),)), lambda step: isinstance(step, Wait)),
    "receiving": (OURS, ImportView(rows=(row(PrearchiveState.RECEIVING),)), lambda step: step == Build(URI)),
    "whole": (OURS, ImportView(rows=(row(),), staged=WHOLE), lambda step: step == Commit(URI)),
    "the rest of it": (
        OURS, ImportView((session(),), frozenset({"a"}), (row(),), frozenset({"b"})), lambda step: step == Commit(URI)
    ),
    "not whole": (OURS, ImportView(rows=(row(),), staged=frozenset("a")), lambda step: step == Send(frozenset("b"))),
    "not whole, again and again": (
        OurRow(URI, 3), ImportView(rows=(row(),), staged=frozenset({"a"})), holds(ObjectsMissing)
    ),
    "more than was sent": (OURS, ImportView(rows=(row(),), staged=WHOLE | {"c"}), holds(ObjectsExtra)),
    "broken": (OurRow(URI, 1, True), ImportView(rows=(row(),), staged=WHOLE), lambda step: step == Discard(URI)),
    "broken, no answer": (
        OurRow(broken=True), ImportView(rows=(row(),), staged=WHOLE), lambda step: step == Discard(URI)
    ),
    "broken, and somebody's": (
        OurRow(URI, 1, True), ImportView(rows=(row(),), staged=WHOLE | {"c"}), holds(NotOurs)
    ),
    "broken, and there before": (
        OurRow(broken=True, before=frozenset({URI})),
        ImportView(rows=(row(),), staged=WHOLE),
        holds(PrearchiveOccupied),
    ),
    "in conflict": (OURS, ImportView(rows=(row(PrearchiveState.CONFLICT),), staged=WHOLE), holds(PrearchiveStuck)),
    "not listed whole": (OURS, ImportView(rows=(row(),), staged=WHOLE, complete=False), lambda s: isinstance(s, Hold)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_decided(name: str) -> None:
    """One answer for each picture."""
    ours, view, fits = CASES[name]
    step = decide_import(WISH, ours, view)
    assert fits(step), step


def test_a_known_session_may_have_been_relabelled() -> None:
    """The map knows its accession ID."""
    view = ImportView((session("F"),), WHOLE)
    assert decide_import(replace(WISH, accession="X1"), OurRow(), view) == There("X1")
