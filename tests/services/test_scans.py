"""Scans: what each method did is read from the server's state, and each has something that goes wrong."""

from __future__ import annotations

import pytest

from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.services import errors
from xnatsync.services.scans import ScanService

ODD = 'it\'s <fine> & "good"'


@pytest.fixture
def service(client: XNATClient) -> ScanService:
    found = ScanService(client)
    found.settle_s = found.cache_s = 0.0
    return found


def session(far: NounWorld, label: str = "MR001") -> Experiment:
    return next(each for each in far.site.experiments.values() if each.label == label)


def many(far: NounWorld, number: int) -> str:
    far.session("MANY", scans=number)
    return session(far, "MANY").id


def test_it_lists(service: ScanService, far: NounWorld) -> None:
    """As a person counts, with files, and the columns that were asked for."""
    session(far).scans["1"].fields["condition"] = "good"

    found = service.list(project=PROJECT, session="MR001", columns=["condition"])  # type: ignore[call-arg]

    assert [(scan.scan_id, scan.type, scan.quality) for scan in found] == [
        ("1", "T1 head", "usable"), ("2", "T1 head", "usable"),
    ]  # fmt: skip
    assert (found[0].file_count, found[0].condition) == (4, "good")
    assert found[1].file_size
    assert found[1].id == "2"
    assert [scan.id for scan in service.list(many(far, 11))][-2:] == ["10", "11"]
    with pytest.raises(errors.ResourceNotFoundError):
        service.list("MR003", PROJECT)


def test_it_looks_into_one(service: ScanService, far: NounWorld) -> None:
    """By its ID alone: a type is none, although XNAT takes it for one elsewhere."""
    assert service.get("MR001", "2", PROJECT).series_description == "series 2"
    for name in ("3", "T1 head", "1,2", "*", "ALL"):
        with pytest.raises(errors.ResourceNotFoundError):
            service.get("MR001", name, PROJECT)


def test_it_lists_resources_of_one(service: ScanService, far: NounWorld) -> None:
    """And not those of a scan whose type is its ID (§3.6)."""
    session(far).scans["2"].fields["type"] = "1"

    assert [row["label"] for row in service.get_resources("MR001", "1", PROJECT)] == ["DICOM", "NIFTI"]
    assert [row["label"] for row in service.get_resources("MR001", "2", PROJECT)] == ["DICOM"]
    with pytest.raises(errors.ResourceNotFoundError):
        service.get_resources("MR001", "3", PROJECT)


def test_it_deletes_the_one(service: ScanService, far: NounWorld) -> None:
    """And no other whose type is its ID; what is not there is no success."""
    session(far).scans["2"].fields["type"] = "1"

    assert service.delete(project=PROJECT, session="MR001", scan="1") is True  # type: ignore[call-arg]

    assert list(session(far).scans) == ["2"]
    for name in ("1", "T1 head"):
        with pytest.raises(errors.ResourceNotFoundError):
            service.delete("MR001", name, PROJECT)
    far.says_yes("DELETE", "/scans/2")
    with pytest.raises(errors.EffectMissing):
        service.delete("MR001", "2", PROJECT)
    assert len(far.writes()) == 2


@pytest.mark.parametrize("parallel", [True, False])
def test_it_deletes_several(service: ScanService, far: NounWorld, parallel: bool) -> None:
    """Each for itself; what is not there is told, and costs no other."""
    told: list[tuple[int, int, str]] = []

    done = service.delete_multiple(
        many(far, 6), ["1", "3", "nine", "3"], parallel=parallel, progress_callback=lambda *of: told.append(of)
    )

    assert done["deleted"] == ["1", "3"]
    assert done["failed"] == [row["scan_id"] for row in done["errors"]] == ["nine"]
    assert sorted(session(far, "MANY").scans) == ["2", "4", "5", "6"]
    assert told == [(1, 3, "1"), (2, 3, "3"), (3, 3, "nine")]


def test_it_deletes_all(service: ScanService, far: NounWorld) -> None:
    """By the star, and only by it."""
    with pytest.raises(errors.InvalidInputError):
        service.delete_multiple("MR001", [], PROJECT)
    assert service.delete_multiple("MR001", ["ALL"], PROJECT)["failed"] == ["ALL"]
    assert far.writes() == []

    assert service.delete_multiple("MR001", ["*"], PROJECT)["deleted"] == ["1", "2"]
    assert session(far).scans == {}


def test_one_that_fails_costs_no_other(service: ScanService, far: NounWorld) -> None:
    """Refused, or ignored with a yes."""
    held = many(far, 4)
    far.says_yes("DELETE", "/scans/2")
    far.server.faults.add(Fault("DELETE", "/scans/3", "status", status=403))

    done = service.delete_multiple(held, ["*"], workers=2)

    assert (done["deleted"], done["failed"]) == (["1", "4"], ["2", "3"])
    assert [row["code"] for row in done["errors"]] == ["XS-EFFECT-MISSING", "XS-ACCESS-DENIED"]


def test_a_callback_cancels(service: ScanService, far: NounWorld) -> None:
    """What is at work comes to its end, and nothing new begins."""
    held = many(far, 8)

    with pytest.raises(errors.OperationCancelled):
        service.delete_multiple(held, ["*"], parallel=False, progress_callback=lambda *_: False)

    assert len(session(far, "MANY").scans) >= 6


@pytest.mark.parametrize("note", ["fine", ODD, "ünïcode"])
def test_quality_and_note_are_set_as_given(service: ScanService, far: NounWorld, note: str) -> None:
    """And nothing is sent when they are so; other scans keep theirs."""
    assert service.set_note("MR001", "1", note, PROJECT) is True
    assert service.set_note("MR001", "1", note, PROJECT) is True
    assert service.set_quality("MR001", "1", "questionable", PROJECT) is True

    scans = session(far).scans
    assert (scans["1"].fields["note"], scans["1"].fields["quality"]) == (note, "questionable")
    assert (scans["2"].fields.get("note"), scans["2"].fields["quality"]) == (None, "usable")
    assert len(far.writes()) == 2


def test_no_scan_is_made_by_setting_one(service: ScanService, far: NounWorld) -> None:
    """A PUT with a type would; a server that ignores it is found out."""
    for name in ("3", "T1 head"):
        with pytest.raises(errors.ResourceNotFoundError):
            service.set_quality("MR001", name, "usable", PROJECT)
    with pytest.raises(errors.InvalidInputError):
        service.set_quality("MR001", "1", " ", PROJECT)
    assert far.writes() == []
    far.says_yes("PUT", "/scans/1")
    with pytest.raises(errors.EffectMissing):
        service.set_quality("MR001", "1", "unusable", PROJECT)
    assert list(session(far).scans) == ["1", "2"]


def test_xnatpy_sees_what_was_written_and_the_reverse(service: ScanService, far: NounWorld) -> None:
    """Another client of the same server."""
    import xnat

    service.set_note("MR001", "1", ODD, PROJECT)
    service.delete("MR001", "2", PROJECT)
    with xnat.connect(far.server.url, user=USER, password=PASSWORD, verify=False, loglevel="ERROR") as theirs:
        found = theirs.projects[PROJECT].experiments["MR001"]
        assert [scan.id for scan in found.scans.values()] == ["1"]
        assert found.scans["1"].note == ODD
        found.scans["1"].quality = "unusable"

    assert service.get("MR001", "1", PROJECT).quality == "unusable"
