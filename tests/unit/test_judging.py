"""The verdict on one thing, case by case; nothing is the same for want of evidence."""

from __future__ import annotations

import pytest

from xnatsync.core.compare import NO_PIXELS
from xnatsync.core.judging import Got, judge_bytes, judge_content, judge_listed
from xnatsync.core.manifest import Level
from xnatsync.core.sampling import Sample, Scope, pick
from xnatsync.core.tree import Node, Problem
from xnatsync.core.verification import Depth, Finding, Looked, Tally, Target, Verdict, VerifyReport

SAME, MISSING, DIFFERS, UNVERIFIABLE = Verdict.SAME, Verdict.MISSING, Verdict.DIFFERS, Verdict.UNVERIFIABLE
OURS = Node("1.2.3", 1000, 800, {"sha256": "s", "pixels": "p"})
BLIND = Node("1.2.3", 1000, 800, {"sha256": "s"})  # nobody digested its pixels
FULL = Node("1.2.3", 1000, 800, {"sha256": "s", "pixels": "p", "content": "c"})
REPORT = Node("1.2.3", 1000, 0, {"sha256": "s", "pixels": NO_PIXELS, "content": "c"})
NO_COPY = Node("1.2.3", 1000, 0, {"sha256": "s", "pixels": NO_PIXELS})  # nothing here to compare with
PROVEN = Node("1.2.3", 1000, 0, {"md5": "m"})


@pytest.mark.parametrize(
    ("theirs", "complete", "proven", "verdict"),
    [
        (Node("1.2.3", 1000), True, None, SAME),
        (Node("1.2.3", 1234), True, None, SAME),  # heads may grow
        (Node("1.2.3", 900), True, None, SAME),  # and shrink
        (Node("1.2.3", 799), True, None, DIFFERS),
        (Node("1.2.3", 0), True, None, DIFFERS),
        (Node("1.2.3", None), True, None, UNVERIFIABLE),
        (Node("1.2.3", None, 0, {"md5": "n"}), True, PROVEN, DIFFERS),
        (None, True, None, MISSING),
        (None, False, None, UNVERIFIABLE),
        (Problem("1.2.3", "there twice"), True, None, UNVERIFIABLE),
        (Node("1.2.3", 1000), True, PROVEN, SAME),
        (Node("1.2.3", 1001), True, PROVEN, DIFFERS),
        (Node("1.2.3", 1000, 0, {"md5": "m"}), True, PROVEN, SAME),
        (Node("1.2.3", 1000, 0, {"md5": "n"}), True, PROVEN, DIFFERS),
    ],
)
def test_by_a_listing(theirs: Node | Problem | None, complete: bool, proven: Node | None, verdict: Verdict) -> None:
    """What is not listed is missing only in a complete listing; what was proven otherwise is another thing now."""
    assert judge_listed(OURS, theirs, complete=complete, proven=proven)[0] is verdict


def got(
    sha256: str = "other",
    md5: str = "m",
    pixels: str = "p",
    sop_uid: str = "1.2.3",
    content: str = "c",
    *,
    twice: bool = False,
) -> Got:
    """What came back."""
    return Got(1000, sha256, md5, pixels, sop_uid, content, twice)


@pytest.mark.parametrize(
    ("ours", "came", "level", "proven_md5", "proven_at", "verdict"),
    [
        (OURS, got("s"), Level.PIXELS, "", Level.NAMES, SAME),
        (OURS, got("s"), Level.BYTES, "", Level.BYTES, SAME),
        (OURS, got(), Level.PIXELS, "", Level.NAMES, SAME),
        (OURS, got(pixels="q"), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (OURS, got(pixels="q"), Level.BYTES, "m", Level.PIXELS, DIFFERS),
        (OURS, got(sop_uid="1.2.4"), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (OURS, got(sop_uid=""), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (OURS, None, Level.PIXELS, "", Level.NAMES, UNVERIFIABLE),
        (OURS, got(twice=True), Level.PIXELS, "", Level.NAMES, UNVERIFIABLE),
        (OURS, got(), Level.BYTES, "", Level.NAMES, UNVERIFIABLE),
        (OURS, got(), Level.BYTES, "m", Level.PIXELS, UNVERIFIABLE),
        (OURS, got(), Level.BYTES, "n", Level.PIXELS, DIFFERS),
        (OURS, got(), Level.BYTES, "", Level.BYTES, DIFFERS),
        (BLIND, got(), Level.PIXELS, "", Level.NAMES, UNVERIFIABLE),
        (BLIND, got(), Level.PIXELS, "m", Level.PIXELS, SAME),
        (BLIND, got(), Level.PIXELS, "n", Level.PIXELS, UNVERIFIABLE),
        (BLIND, got(), Level.BYTES, "", Level.NAMES, UNVERIFIABLE),
        # No pixel data: that both have none says nothing.
        (REPORT, got(pixels=NO_PIXELS), Level.PIXELS, "", Level.NAMES, SAME),
        (REPORT, got(pixels=NO_PIXELS, content="d"), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (REPORT, got(pixels=NO_PIXELS, content="d"), Level.PIXELS, "m", Level.PIXELS, DIFFERS),
        (REPORT, got(pixels=NO_PIXELS, content=""), Level.PIXELS, "", Level.NAMES, UNVERIFIABLE),
        (REPORT, got(pixels="p"), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (REPORT, got(pixels="truncated"), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (NO_COPY, got(pixels=NO_PIXELS), Level.PIXELS, "", Level.NAMES, UNVERIFIABLE),
        (NO_COPY, got(pixels=NO_PIXELS), Level.PIXELS, "m", Level.PIXELS, SAME),
        (NO_COPY, got(pixels=NO_PIXELS), Level.PIXELS, "n", Level.PIXELS, UNVERIFIABLE),
        # A script rewrote the UID of the object: all but its head must be ours.
        (FULL, got(sop_uid="1.2.4"), Level.PIXELS, "", Level.NAMES, SAME),
        (FULL, got(sop_uid="1.2.4", content="d"), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (FULL, got(sop_uid="1.2.4", pixels="q"), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (FULL, got(sop_uid="", content=""), Level.PIXELS, "", Level.NAMES, DIFFERS),
        (OURS, got(sop_uid="1.2.4"), Level.PIXELS, "m", Level.PIXELS, SAME),  # byte for byte what was proven
        (OURS, got(sop_uid="1.2.4"), Level.PIXELS, "n", Level.PIXELS, DIFFERS),
    ],
)
def test_by_what_was_fetched(
    ours: Node, came: Got | None, level: Level, proven_md5: str, proven_at: Level, verdict: Verdict
) -> None:
    """Other bytes are a difference only where pixels say so, or bytes were proven before."""
    assert judge_content(ours, came, level, proven_md5=proven_md5, proven_at=proven_at)[0] is verdict


def test_bytes_that_nobody_may_rewrite() -> None:
    """Same, of another size, of the same size."""
    assert judge_bytes(3, "a", 3, "a")[0] is SAME
    assert "instead of 3" in judge_bytes(3, "a", 2, "b")[1]
    assert "size is right" in judge_bytes(3, "a", 3, "b")[1]


# --- samples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "of_ten"), [("1", 1), ("25", 10), ("10%", 1), ("11%", 2), ("0.1%", 1), ("100%", 10), (" 50 % ", 5)]
)
def test_a_sample_is_a_number_or_a_share(text: str, of_ten: int) -> None:
    """Never more than there is, and at least one."""
    assert Sample.parse(text).of(10) == of_ten
    assert Sample.parse(text).of(0) == 0


@pytest.mark.parametrize("text", ["", "0", "-1", "0%", "101%", "1.5", "ten", "%", "٣"])
def test_what_is_no_sample_is_refused(text: str) -> None:
    """With what to write."""
    with pytest.raises(ValueError, match=r"sample|share"):
        Sample.parse(text)


@pytest.mark.parametrize("total", range(1, 12))
@pytest.mark.parametrize("number", range(1, 12))
def test_samples_cover_everything_in_as_few_runs_as_can_be(total: int, number: int) -> None:
    """Whatever was verified before in whatever order."""
    last = {target: target * 7 % total for target in range(0, total, 2)}
    late, seen = 100, set[int]()
    for _ in range(-(-total // number)):
        for target in pick(range(total), last, Sample(number)):
            seen.add(target)
            last[target] = late = late + 1

    assert seen == set(range(total))


def test_a_scope_goes_by_label_or_accession_id() -> None:
    """And a session is asked for by sessions alone: a subject's own files are none."""
    session = Target(route="r", server="s", project="P1", subject="S1", session="S1_MR", session_id="E1", ids=(1,))
    subject = Target(route="r", server="s", project="P1", subject="S1", ids=(2,))

    assert Scope.parse(sessions=["E1"]).takes(session)
    assert Scope.parse(sessions=["S1_*"]).takes(session)
    assert not Scope.parse(sessions=["!E1"]).takes(session)
    assert not Scope.parse(sessions=["*"]).takes(subject)
    assert Scope.parse(subjects=["S1"]).takes(subject)
    assert Scope().takes(subject)


# --- the whole ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "code", "strict"),
    [
        (SAME, 0, 0),
        (Verdict.EXTRA, 0, 4),
        (UNVERIFIABLE, 5, 5),
        (MISSING, 4, 4),
        (DIFFERS, 4, 4),
        (Verdict.UNREADABLE, 4, 4),
    ],
)
def test_the_exit_code_says_the_gravest(verdict: Verdict, code: int, strict: int) -> None:
    """What is unverifiable is not the same, and no difference."""
    for asked, expected in ((False, code), (True, strict)):
        report = VerifyReport(strict=asked)
        report.add(
            Looked(Target(route="r", server="s", project="P"), Depth(Level.NAMES, Level.BYTES), Tally(1, 1), findings=(
                Finding("server", verdict, "k"),
            ))
        )  # fmt: skip
        assert report.exit_code == expected


def test_how_deeply_was_looked_can_be_read_again() -> None:
    """From the ledger, where anything else may stand as well."""
    for depth in (Depth(server, local) for server in Level for local in Level):
        assert Depth.parse(str(depth)) == depth
    assert [Depth.parse(text) for text in ("", "names", "names/much", "a/b/c")] == [None] * 4
    assert Depth(Level.PIXELS, Level.BYTES).covers(Depth(Level.NAMES, Level.BYTES))
    assert not Depth(Level.PIXELS, Level.NAMES).covers(Depth(Level.NAMES, Level.BYTES))
