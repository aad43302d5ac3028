"""Is it complete?  Never early, never never; counts lengthen or shorten a wait, and never decide alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property.strategies import dicom
from xnatsync.core.announced import Series, series_of
from xnatsync.core.completeness import (
    Ask,
    Count,
    Go,
    Patience,
    Verdict,
    Waits,
    blocked_by,
    is_marker,
    is_marker_within,
    says_something,
    verdict,
)
from xnatsync.core.manifest import ManifestFile

GE = {"Manufacturer": "GE MEDICAL SYSTEMS", "ImageType": "ORIGINAL\\PRIMARY\\M"}
SHORT = Series("7", 2050, 5500, "GE announces 110 × 50", firm=True)
WHOLE = Series("1", 20, 20, "GE announces 20", firm=True)
SILENT = Series("2", 5)


def judged(patience: Patience, steady_s: float, *series: Series, blocked: tuple[str, ...] = ()) -> Verdict:
    return verdict(patience, steady_s, blocked, series or None, accepted=False)


def test_without_markers_and_counts_the_settle_time_decides_alone() -> None:
    """As it always was."""
    plain = Patience(60.0)

    assert judged(plain, 59.0) == Waits(1.0, "", 60.0)
    assert judged(plain, 60.0) == Go()
    assert judged(Patience(0.0), 0.0) == Go()


def test_a_short_series_is_waited_for_and_goes_even_so() -> None:
    """An aborted series passes, with a note that says what is missing."""
    patient = Patience(60.0, missing_s=900.0)

    assert judged(patient, 60.0) == Count()
    assert judged(patient, 100.0, SHORT, WHOLE) == Waits(
        860.0, "series 7 has 2,050 of 5,500 (GE announces 110 × 50)", 960.0
    )
    assert judged(patient, 960.0, SHORT, WHOLE) == Go("series 7 has 2,050 of 5,500 (GE announces 110 × 50)")
    assert judged(patient, 60.0, WHOLE, SILENT) == Go()


def test_a_file_that_is_cut_off_is_waited_for_as_a_missing_one() -> None:
    """And no announced count ends the wait beside it."""
    patient = Patience(60.0, 10.0, 900.0)

    def found(steady_s: float) -> Verdict:
        return verdict(patient, steady_s, (), [WHOLE], accepted=False, cut_off=("IM7",))

    assert found(10.0) == Waits(950.0, "IM7 is cut off, it may still be written", 960.0)
    assert found(960.0) == Go()


def test_what_usually_comes_only_delays() -> None:
    """As long as a short series does, and no longer; and it shortens nothing."""
    patient = Patience(60.0, 10.0, 900.0)

    def found(steady_s: float) -> Verdict:
        return verdict(patient, steady_s, (), [WHOLE], accepted=False, not_yet="1 series")

    assert found(10.0) == Waits(950.0, "1 series", 960.0)
    assert found(960.0) == Go("1 series")


def test_a_wait_is_shortened_only_where_everything_is_announced_and_there() -> None:
    quick = Patience(60.0, settle_min_s=10.0)

    assert judged(quick, 9.0) == Waits(1.0, "", 60.0)
    assert judged(quick, 10.0, WHOLE) == Go()
    for other in (SILENT, SHORT, replace(WHOLE, firm=False), replace(WHOLE, have=21)):
        assert isinstance(judged(quick, 10.0, WHOLE, other), Waits), other
    assert judged(quick, 60.0, SILENT) == Go()


def test_a_lock_that_never_goes_asks_a_person() -> None:
    """Case 6: minutes of a person's work are waited for; a lock that was forgotten is told in the end."""
    locked = Patience(1.0, max_s=3600.0, wait_while=("{item}.lock",))

    assert judged(locked, 600.0, blocked=("x is still there",)) == Waits(10.0, "x is still there", 3600.0, asks=True)
    assert judged(locked, 3600.0, blocked=("x is still there",)) == Ask("x is still there")
    assert verdict(locked, 3600.0, ("x is still there",), None, accepted=True) == Go()


TIMES = st.sampled_from([0.0, 1.0, 10.0, 60.0, 900.0, 3600.0])
SERIES = st.lists(st.builds(Series, st.just("1"), st.integers(0, 9), st.integers(0, 9), st.just("x"), st.booleans()))
PATIENCE = st.builds(Patience, TIMES, st.none() | TIMES, TIMES, TIMES)
BLOCKED = st.sampled_from([(), ("no READY",)])


@given(PATIENCE, TIMES, BLOCKED, st.none() | SERIES, st.booleans())
def test_it_never_goes_early(
    patience: Patience, steady_s: float, blocked: tuple[str, ...], series: list[Series] | None, accepted: bool
) -> None:
    """Not before it was quiet, not beside a marker, not while a series is short, whatever the settings."""
    found = verdict(patience, steady_s, blocked, series, accepted=accepted)

    if isinstance(found, Go):
        assert steady_s >= patience.soonest_s
        assert accepted or not blocked
        if steady_s < patience.settle_s:
            assert series
            assert all(one.firm and one.have == one.expected for one in series)
        if patience.counts:
            assert series is not None
            if any(one.have < one.expected for one in series):
                assert found.note
                assert steady_s >= patience.settle_s + patience.missing_s
    if isinstance(found, Ask):
        assert blocked
        assert steady_s >= patience.max_s


@given(PATIENCE, TIMES, BLOCKED, SERIES, st.booleans())
def test_it_never_waits_for_ever(
    patience: Patience, steady_s: float, blocked: tuple[str, ...], series: list[Series], accepted: bool
) -> None:
    """Each wait ends by itself: asked again after what it says, it goes, or asks a person, within the longest wait."""
    longest = max(patience.settle_s + patience.missing_s, patience.soonest_s, patience.max_s)
    looks = 0
    while isinstance(found := verdict(patience, steady_s, blocked, series, accepted=accepted), Waits):
        assert found.seconds > 0
        assert steady_s < longest
        steady_s += found.seconds
        looks += 1
        assert looks <= 370  # a marker is looked at each ten seconds of an hour
    assert isinstance(found, Go | Ask)


# --- markers -----------------------------------------------------------------------------------------------------


def blocked(paths: set[str], names: tuple[str, ...] = ("exam",), **marks: tuple[str, ...]) -> tuple[str, ...]:
    return blocked_by(Patience(0.0, **marks), names, paths)


def test_markers_are_looked_for_beside_and_within_an_item() -> None:
    assert blocked({"exam/1"}, wait_for=("{item}/READY",)) == ("there is no {item}/READY yet",)
    assert blocked({"exam/1", "exam/READY"}, wait_for=("{item}/READY",)) == ()
    assert blocked({"other/READY"}, wait_for=("{item}/READY",))
    assert blocked({"exam.lock"}, wait_while=("{item}.lock",)) == ("{item}.lock is still there",)
    assert blocked({"other.lock"}, wait_while=("{item}.lock",)) == ()
    assert blocked({"exam/a/b/1.part"}, wait_while=("{item}/*.part",))
    assert blocked({"a.lock"}, ("a.zip",), wait_while=("{stem}.lock",))
    assert blocked({"1.ok"}, ("1", "2"), wait_for=("{item}.ok",))  # each file of a study without a folder
    assert blocked({"1.ok", "2.ok"}, ("1", "2"), wait_for=("{item}.ok",)) == ()


def test_signs_in_the_name_of_an_item_have_no_meaning() -> None:
    assert blocked({"ab.lock"}, ("a*",), wait_while=("{item}.lock",)) == ()
    assert blocked({"a*.lock"}, ("a*",), wait_while=("{item}.lock",))


def test_what_is_a_marker_is_no_item() -> None:
    marks = Patience(0.0, wait_for=("{item}.ok", "{item}/READY"), wait_while=("{item}.lock",))

    assert [name for name in ("exam", "exam.ok", "x.lock", "READY") if is_marker(marks, name)] == ["exam.ok", "x.lock"]
    assert is_marker_within(marks, "exam", "READY")
    assert not is_marker_within(marks, "exam", "1")
    assert [text for text in ("*", "{item}", "{item}/*", "READY", "*.part") if says_something(text)] == [
        "READY",
        "*.part",
    ]


# --- what scanners announce --------------------------------------------------------------------------------------


def counted(many: int, **tags: str) -> Series:
    files = [dicom(str(number), InstanceNumber=str(number + 1), **tags) for number in range(many)]
    (series,) = series_of(files)
    return series


@pytest.mark.parametrize(
    ("many", "tags", "expected", "firm"),
    [
        (150, {**GE, "ImagesInAcquisition": "15", "NumberOfTemporalPositions": "10"}, 150, True),
        (130, {**GE, "ImagesInAcquisition": "130", "NumberOfTemporalPositions": "1"}, 130, True),
        (24, {**GE, "ImagesInAcquisition": "80", "NumberOfTemporalPositions": "60"}, 4800, True),
        (3, {**GE, "ImageType": "DERIVED\\PRIMARY", "ImagesInAcquisition": "15"}, 0, False),
        (27, {"Manufacturer": "Philips", "ImageType": "ORIGINAL", "(2001,1018)": "9", "(2001,1081)": "3"}, 27, False),
        (5, {"Manufacturer": "SIEMENS", "ImageType": "ORIGINAL", "NumberOfTemporalPositions": "21"}, 0, False),
        (5, {**GE, "ImagesInAcquisition": "12 or so"}, 0, False),
        (5, {}, 0, False),
    ],
)
def test_a_field_counts_where_it_means_that(many: int, tags: dict[str, str], expected: int, firm: bool) -> None:
    """As measured on public series: research/agent.md §3 has the table."""
    found = counted(many, **tags)

    assert (found.have, found.expected, found.firm) == (many, expected, firm)


def test_objects_that_disagree_announce_nothing() -> None:
    files = [dicom(str(number), ImagesInAcquisition=str(number + 5), **GE) for number in range(3)]

    assert [one.expected for one in series_of(files)] == [0]


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [([1, 2, 3, 4, 5, 7], 1), ([1, 2, 3], 0), ([2, 3, 4, 6], 0), ([1, 33, 66], 0), ([1, 1, 2, 4], 0), ([1, 2, 4], 0)],
)
def test_a_gap_counts_only_among_numbers_that_were_meant_to_be_consecutive(numbers: list[int], missing: int) -> None:
    """Philips leaves holes, Siemens repeats numbers."""
    files: list[ManifestFile] = [dicom(f"{at}", InstanceNumber=str(number)) for at, number in enumerate(numbers)]
    (series,) = series_of(files)

    assert max(0, series.expected - series.have) == missing
