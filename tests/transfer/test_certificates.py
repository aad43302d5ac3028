"""Certificates: what they say, and how they are known again."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from transfer.two_sides import FILES, NOW, SCAN, UNWELL, TwoSides, file, two_sides
from xnatsync.app.certificates import Certificate, Side, Written, check, sign
from xnatsync.core.described import Share
from xnatsync.core.errors import LostAtSource, PlaceTaken, SourceGone
from xnatsync.core.transfer_filter import Inside, Names, SyncType, TransferFilter
from xnatsync.ledger.tree_rows import NewTrouble
from xnatsync.verify.transfers import DIFFERENCES_MAX
from xnatsync.views.certificate import certificate_text
from xnatsync.views.certificate_page import certificate_page

NUMBER = "XSC-" + "0123456789abcdef" * 2


@pytest.fixture
def sides(tmp_path: Path) -> TwoSides:
    return two_sides(tmp_path)


def certificate(sides: TwoSides, **changes: object) -> Certificate:
    made = Certificate(
        id=NUMBER, route="move", run_id=sides.run_id, made_at=NOW, program="xnatsync 1",
        source=Side("prod", "https://prod.example.org", "NEURO", "1.9.2"),
        destination=Side("staging", "https://staging.example.org", "NEURO_DEV"),
        dicom="copy", filtering={}, planned={"session": 1}, moved={"files": 3},
        entities=tuple(sides.examination.entities()),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def written(sides: TwoSides, folder: Path) -> Written:
    made = certificate(sides)
    return sign(sides.ledger, made, folder, certificate_text(made), lambda digest: certificate_page(made, digest))


def test_what_agrees_is_complete(sides: TwoSides) -> None:
    document = json.loads(certificate_text(certificate(sides)))
    assert document["outcome"] == "complete"
    assert document["verified"] | {"bytes": 0} == {
        "level": "every field as text; every file by name, size and MD5 digest, as the servers list them",
        "entities": 3, "fields": 5, "files": 3, "bytes": 0,
    }  # fmt: skip
    assert [one["destination_id"] for one in document["entities"]] == ["NEURO_DEV", "T_S1", "T_E1"]
    assert document["entities"][2]["parts"] == {"1": "1"}
    assert not any(document["differences"].values())


def _field(sides: TwoSides) -> None:
    sides.session_there(fields=(("note", "loud"),))


def _part(sides: TwoSides) -> None:
    sides.session_there(parts=())


def _share(sides: TwoSides) -> None:
    owner, described, files = sides.source.things["P_E1"]
    sides.source.put(owner, replace(described, shares=(Share("NEURO", "X"),)), *files)


def _gone(sides: TwoSides) -> None:
    del sides.there.things["T_E1"]


def _new(sides: TwoSides) -> None:
    owner, described, files = sides.source.things["P_E1"]
    other = replace(owner, id="P_E2", session="S1_CT")
    sides.source.put(other, replace(described, id="P_E2", label="S1_CT"), *files)


def _unwell(sides: TwoSides) -> None:
    sides.there.failing = UNWELL


def _cut(sides: TwoSides) -> None:
    sides.source.whole = False


def _lost(sides: TwoSides) -> None:
    sides.files_there(*FILES[1:])
    row = next(row for row in sides.ledger.owners("move") if row.server_id == "P_E1")
    sides.ledger.set_troubles(row.id, [NewTrouble("1/DICOM/1.dcm", LostAtSource.code, "", person=False)], NOW)


TAMPERED: dict[str, tuple[Callable[[TwoSides], None], str]] = {
    "a field": (_field, "differs"), "a scan": (_part, "missing"), "a share": (_share, "missing"),
    "a file": (lambda sides: sides.files_there(*FILES[:2]), "missing"),
    "a digest": (lambda sides: sides.files_there(replace(FILES[0], digest="0" * 32), *FILES[1:]), "differs"),
    "a session": (_gone, "missing"), "a session that was never sent": (_new, "missing"), "a server": (_unwell, ""),
    "a listing": (_cut, "unverifiable"), "a file that the source lost": (_lost, "lost at the source"),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_no_certificate_says_complete_when_something_is_not(what: str, sides: TwoSides) -> None:
    tamper, fate = TAMPERED[what]
    tamper(sides)
    made = certificate(sides)
    document = json.loads(certificate_text(made))
    assert document["outcome"] == "incomplete"
    assert not fate or document["differences"][fate] >= 1
    assert "Transfer of project NEURO: incomplete" in certificate_page(made, "0" * 64)
    assert not fate or fate in certificate_page(made, "0" * 64)


def test_what_was_lost_is_not_called_missing(sides: TwoSides) -> None:
    _lost(sides)
    document = json.loads(certificate_text(certificate(sides)))
    assert (document["differences"]["missing"], document["differences"]["lost at the source"]) == (0, 1)


def test_filters_apply_to_the_certificate(sides: TwoSides) -> None:
    sides.files_there(FILES[0], FILES[2])
    assert not certificate(sides).is_complete
    sides.chosen = TransferFilter(inside=Inside(scan_resources=Names(SyncType.EXCLUDE, frozenset({"SNAPSHOTS"}))))
    assert certificate(sides).is_complete


def test_a_session_of_another_project_is_named_and_not_asked_for(sides: TwoSides) -> None:
    owner, described, _ = sides.source.things["P_E1"]
    sides.source.put(replace(owner, id="O_E9", session="OTHER", home="OTHER"), described)
    made = certificate(sides)
    assert made.is_complete
    assert "it is of project OTHER" in certificate_text(made)
    assert "describe O_E9" not in sides.source.asked


def test_very_many_differences_are_counted_and_stay_grave(sides: TwoSides) -> None:
    owner, described, _ = sides.source.things["P_E1"]
    many = [file("1", "DICOM", f"{number}.dcm") for number in range(DIFFERENCES_MAX + 50)]
    sides.source.put(owner, described, *many)
    sides.files_there(many[0])
    made = certificate(sides)
    assert not made.is_complete
    assert made.counts()[next(fate for fate in made.counts() if fate == "missing")] == DIFFERENCES_MAX + 49


# --- the two files -----------------------------------------------------------------------------------------------


def test_ours_and_unchanged_changed_or_unknown(sides: TwoSides, tmp_path: Path) -> None:
    """Every byte of either file counts; another file is never taken for one of ours."""
    done = written(sides, tmp_path / "out")
    for place in (done.json, done.html):
        assert check(sides.ledger, place).state == "unchanged"
        raw = place.read_bytes()
        for at in (0, len(raw) // 2, len(raw) - 1):
            place.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
            assert check(sides.ledger, place).state == "changed", at
        place.write_bytes(raw.replace(NUMBER.encode(), b"XSC-" + b"f" * 32))
        assert check(sides.ledger, place).state == "unknown"
        place.write_bytes(b"")
        assert check(sides.ledger, place).state == "unknown"
    with pytest.raises(SourceGone):
        check(sides.ledger, tmp_path / "absent.json")


def test_a_number_that_lies_across_two_reads_is_found(sides: TwoSides, tmp_path: Path) -> None:
    written(sides, tmp_path / "out")
    for shift in (1, 20, 36):
        place = tmp_path / "long.json"
        place.write_bytes(b" " * ((1 << 20) - shift) + NUMBER.encode() + b" ")
        assert check(sides.ledger, place).state == "changed"


def test_the_page_names_the_digest_of_the_other_file(sides: TwoSides, tmp_path: Path) -> None:
    done = written(sides, tmp_path / "out")
    assert hashlib.sha256(done.json.read_bytes()).hexdigest() == done.row.json_sha256
    assert done.row.json_sha256 in done.html.read_text()
    assert done.json.stat().st_mode & 0o077 == 0
    assert sides.ledger.certificates("move") == [done.row]


def test_nothing_is_overwritten_and_nothing_noted_then(sides: TwoSides, tmp_path: Path) -> None:
    done = written(sides, tmp_path / "out")
    before = done.json.read_bytes()
    with pytest.raises(PlaceTaken):
        written(sides, tmp_path / "out")
    assert done.json.read_bytes() == before
    assert len(sides.ledger.certificates()) == 1


def test_the_ledger_keeps_certificates(sides: TwoSides, tmp_path: Path) -> None:
    written(sides, tmp_path / "out")
    with sqlite3.connect(tmp_path / "ledger.db") as raw:
        for sql in ("delete from certificate", "update certificate set outcome = 'complete'"):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(sql)


WICKED = "</title><script>alert(1)</script>\u202e\x00<img src=x onerror=y>"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_a_hostile_name_is_text_on_the_page(sides: TwoSides) -> None:
    owner, described, files = sides.source.things["P_E1"]
    wicked = replace(described, label=WICKED, parts=(*described.parts, replace(SCAN, id=WICKED)))
    sides.source.put(replace(owner, session=WICKED, subject=WICKED), wicked, *files, file("", WICKED, WICKED))
    page = certificate_page(certificate(sides, program=WICKED, filtering={WICKED: WICKED}), "0" * 64)
    tags = _Tags()
    tags.feed(page)
    assert not tags.found & {"script", "img", "a", "iframe", "link", "form", "svg", "object"}
    assert not {name for name in tags.attributes if name.startswith("on")} | (tags.attributes & {"src", "href"})
    assert "default-src 'none'" in page
    assert not re.search("[\u202e\x00]", page)


def test_no_value_of_a_field_is_in_a_certificate(sides: TwoSides) -> None:
    owner, described, files = sides.source.things["P_E1"]
    sides.source.put(owner, replace(described, fields=(("dcmPatientName", "DOE^JANE"),)), *files)
    made = certificate(sides)
    assert "DOE" not in certificate_text(made) + certificate_page(made, "0" * 64)
    assert "dcmPatientName" in certificate_text(made)
