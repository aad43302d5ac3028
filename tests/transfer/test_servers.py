"""What a transfer reads of a server and writes to one: nothing of a description is lost on the way (import.md §7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from transfer_world import OTHER, SOURCE, TARGET, XNAT, Pair, Side, two_servers
from xnatsync.core.described import Described, Part, Share, Stored, ThingKind
from xnatsync.core.errors import NameRefused, NotThere, PlaceTaken, ReplyStrange
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.sandbox.http.faults import Fault

REPORT = ResourceKey("assessors/S1_QC/out", "REPORT")
MEAN = ResourceKey("reconstructions/R_S1/out", "MEAN")
SHEETS = ResourceKey("records/S1_VARS", "SHEETS")


@pytest.fixture
def pair() -> Iterator[Pair]:
    with two_servers() as both:
        yield both


def owners(side: Side, project: str) -> list[Owner]:
    return list(side.server.inventory(project, frozenset(OwnerKind)).owners)


def facts(thing: Described) -> list[tuple[object, ...]]:
    """Everything but what differs on every server."""
    return [(one.kind, one.label, one.xsi_type, one.root, one.fields) for one in thing.walk()]


def copy(pair: Pair) -> None:
    """Makes everything of the source at the destination, in the order of a transfer."""
    source, target = pair.source.server, pair.target.server
    known: dict[str, str] = {}
    here = owners(pair.source, SOURCE)
    for owner in sorted(here, key=lambda one: list(OwnerKind).index(one.kind)):
        thing = source.describe(owner)
        match owner.kind:
            case OwnerKind.PROJECT:
                target.create_project(thing, TARGET)
            case OwnerKind.SUBJECT:
                known[owner.id] = target.create_subject(TARGET, thing)
                for part in thing.parts:
                    target.create_experiment(TARGET, known[owner.id], part)
            case OwnerKind.SESSION:
                made = target.create_experiment(TARGET, known[owner.subject_id], thing)
                for part in thing.parts:
                    if part.kind is ThingKind.ASSESSOR:
                        target.create_part(made, part)


def test_everything_that_is_described_is_made_over_there(pair: Pair) -> None:
    before = pair.source.writes()
    copy(pair)
    assert pair.source.writes() == before
    there = {(one.kind, one.session or one.subject): one for one in owners(pair.target, TARGET)}
    for owner in owners(pair.source, SOURCE):
        if owner.kind is OwnerKind.PROJECT:
            stand_in = pair.target.owner(OwnerKind.PROJECT, TARGET, TARGET)
        else:
            stand_in = there[owner.kind, owner.session or owner.subject]
        assert facts(pair.target.server.describe(stand_in)) == facts(pair.source.server.describe(owner))


def test_a_description_names_nothing_by_the_servers_own_keys(pair: Pair) -> None:
    """Negative: the documents do hold them."""
    session = pair.source.owner(OwnerKind.SESSION, "S1_MR")
    thing = pair.source.server.describe(session)
    texts = [f"{path}={value}" for one in thing.walk() for path, value in one.fields]
    own = {session.id, session.subject_id, SOURCE}
    assert not [text for text in texts if any(f"={key}" in text for key in own)]
    document = pair.source.server.metadata(session).decode()
    assert all(key in document for key in own)
    assert thing.shares == (Share("OTHER", "shown_MR"), Share("STAYS", "alone_MR"))
    assert [part.custom for part in thing.parts[:2]] == [(("motion", '"low"'),), ()]
    assert thing.parts[0].resources == (Stored("DICOM", "", "DICOM", "RAW"),)


def test_an_overlay_changes_its_fields_and_no_other(pair: Pair) -> None:
    copy(pair)
    target, owner = pair.target.server, pair.target.owner(OwnerKind.SESSION, "S1_MR", TARGET)
    before = target.describe(owner)
    scan = replace(before.parts[0], fields=_with(before.parts[0], {"note": "a <new> note", "@type": "T1w"}))
    target.overlay(owner, Part(ThingKind.SCAN, "1"), scan, frozenset({"note"}))  # the type is not among them
    whole = replace(before, fields=_with(before, {"fields/field[name=quality_by]": "XX"}))
    target.overlay(owner, Part(), whole, frozenset({"fields/field[name=quality_by]"}))
    quality = next(part for part in before.parts if part.kind is ThingKind.ASSESSOR)
    dated = replace(quality, fields=_with(quality, {"date": "2020-02-02"}))
    target.overlay(owner, Part(ThingKind.ASSESSOR, "S1_QC"), dated, frozenset({"date"}))
    after = target.describe(owner)
    assert dict(after.parts[0].fields) == {**dict(before.parts[0].fields), "note": "a <new> note"}
    assert dict(after.fields) == {**dict(before.fields), "fields/field[name=quality_by]": "XX"}
    assert dict(after.parts[-1].fields)["date"] == "2020-02-02"
    assert after.parts[1:-1] == before.parts[1:-1]


def _with(thing: Described, values: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((path, values.get(path, text)) for path, text in thing.fields)


def test_a_subject_and_a_record_are_changed_by_their_ids(pair: Pair) -> None:
    copy(pair)
    target, owner = pair.target.server, pair.target.owner(OwnerKind.SUBJECT, "S1", TARGET)
    before = target.describe(owner)
    target.overlay(owner, Part(), replace(before, fields=_with(before, {"demographics/yob": "1971"})),
                   frozenset({"demographics/yob"}))  # fmt: skip
    record = replace(before.parts[0], fields=_with(before.parts[0], {"note": "seen"}))
    target.overlay(owner, Part(ThingKind.RECORD, "S1_VARS"), record, frozenset({"note"}))
    target.set_custom(owner, Part(), {"consent": '{"given": false}'})
    after = target.describe(owner)
    assert dict(after.fields) == {**dict(before.fields), "demographics/yob": "1971"}
    assert dict(after.parts[0].fields)["note"] == "seen"
    assert after.custom == (("consent", '{"given": false}'),)
    assert len(pair.target.site.subjects) == 2
    with pytest.raises(NotThere):
        target.overlay(owner, Part(ThingKind.RECORD, "NOBODY"), record, frozenset({"note"}))
    assert len(target.describe(owner).parts) == 1


def test_nothing_is_made_twice_and_no_label_is_kept_otherwise(pair: Pair) -> None:
    copy(pair)
    source, target = pair.source.server, pair.target.server
    subject = source.describe(pair.source.owner(OwnerKind.SUBJECT, "S2"))
    session = source.describe(pair.source.owner(OwnerKind.SESSION, "S1_MR"))
    there = pair.target.owner(OwnerKind.SESSION, "S1_MR", TARGET)
    many = len(pair.target.writes())
    with pytest.raises(PlaceTaken):
        target.create_subject(TARGET, subject)
    with pytest.raises(PlaceTaken):
        target.create_experiment(TARGET, there.subject_id, session)
    for kind in (ThingKind.SCAN, ThingKind.RECONSTRUCTION, ThingKind.ASSESSOR):
        with pytest.raises(PlaceTaken):
            target.create_part(there.id, next(part for part in session.parts if part.kind is kind))
    with pytest.raises(PlaceTaken):
        target.create_project(source.describe(pair.source.owner(OwnerKind.PROJECT, SOURCE)), TARGET)
    with pytest.raises(NameRefused):
        target.create_subject(TARGET, replace(subject, label="S 2"))
    assert len(pair.target.writes()) == many


def test_a_scan_is_added_to_a_session_that_is_there(pair: Pair) -> None:
    copy(pair)
    target, there = pair.target.server, pair.target.owner(OwnerKind.SESSION, "S1_MR", TARGET)
    before = target.describe(there)
    scan = replace(before.parts[0], id="9")
    made = replace(next(part for part in before.parts if part.kind is ThingKind.RECONSTRUCTION), id="R_9")
    assert (target.create_part(there.id, scan), target.create_part(there.id, made)) == ("9", "R_9")
    after = {(part.kind, part.id): part for part in target.describe(there).parts}
    assert after[ThingKind.SCAN, "9"].fields == scan.fields
    assert after[ThingKind.RECONSTRUCTION, "R_9"].fields == made.fields
    assert len(after) == len(before.parts) + 2


def test_files_of_every_level_are_listed_fetched_and_stored(pair: Pair) -> None:
    copy(pair)
    source, target = pair.source.server, pair.target.server
    session, subject = (pair.source.owner(*one) for one in ((OwnerKind.SESSION, "S1_MR"), (OwnerKind.SUBJECT, "S1")))
    for owner, keys in ((session, [REPORT, MEAN, ResourceKey("1", "DICOM"), ResourceKey("", "NOTES")]),
                        (subject, [SHEETS, ResourceKey("", "SCANNED")])):  # fmt: skip
        listed = source.all_files([owner])[owner]
        wanted = {(ResourceKey(file.scan, file.resource), file.name): file for file in listed.files}
        assert {key for key, _ in wanted} >= set(keys)
        there = pair.target.owner(owner.kind, owner.session or owner.subject, TARGET)
        sizes = {place: file.size for place, file in wanted.items()}
        for number, (key, name, pieces) in enumerate(source.fetch_resources(owner, keys, sizes=sizes)):
            content = b"".join(pieces)
            assert content == b"".join(source.fetch_file(owner, key, name))
            target.put_resource_file(there, key, name, iter([content]), size=len(content), overwrite=False,
                                     request_id=f"{owner.id}-{number}")  # fmt: skip
        here = {(f.scan, f.resource, f.name, f.size, f.digest) for f in listed.files
                if ResourceKey(f.scan, f.resource) in keys}  # fmt: skip
        over = {(f.scan, f.resource, f.name, f.size, f.digest) for f in target.all_files([there])[there].files}
        assert over == here
        for key in keys:
            target.catalogue(there, Part.parse(key.scan), key.label)


def test_a_share_that_is_there_is_no_error(pair: Pair) -> None:
    copy(pair)
    pair.target.xml(f"/data/projects/{OTHER}", f'<xnat:Project ID="{OTHER}" {XNAT}/>')
    target, there = pair.target.server, pair.target.owner(OwnerKind.SESSION, "S1_MR", TARGET)
    for _ in range(2):
        target.share(there, Part(), OTHER, "shown")
        target.share(there, Part(ThingKind.ASSESSOR, "S1_QC"), OTHER, "shown_qc")
    thing = target.describe(there)
    assert (thing.shares, thing.parts[-1].shares) == ((Share(OTHER, "shown"),), (Share(OTHER, "shown_qc"),))
    with pytest.raises(NotThere):
        target.share(there, Part(), "NOWHERE", "shown")


def test_what_listings_do_not_show_of_assessors_and_records_changes_a_stamp(pair: Pair) -> None:
    source = pair.source.server
    before = dict(source.part_stamps(SOURCE))
    session, subject = (pair.source.owner(*one) for one in ((OwnerKind.SESSION, "S1_MR"), (OwnerKind.SUBJECT, "S1")))
    assert before.keys() == {session.id, subject.id}
    pair.source.put(f"/data/experiments/{session.id}/assessors/S1_QC2", xsiType="xnat:qcManualAssessorData")
    after = dict(source.part_stamps(SOURCE))
    assert (after[session.id] != before[session.id], after[subject.id]) == (True, before[subject.id])
    record = next(iter(source.describe(subject).parts)).id
    pair.source.put(f"/data/projects/{SOURCE}/subjects/S1/experiments/{record}", xsiType="xnat:subjectVariablesData",
                    note="changed")  # fmt: skip
    assert source.part_stamps(SOURCE)[subject.id] != before[subject.id]


@pytest.mark.parametrize("kind", ["cut", "other", "doctype"])
def test_an_answer_that_is_not_whole_describes_nothing(pair: Pair, kind: str) -> None:
    session = pair.source.owner(OwnerKind.SESSION, "S1_MR")
    body = pair.source.server.metadata(session)
    sent = {"cut": body[:-20], "other": body.replace(session.id.encode(), b"XNAT_E99999", 1),
            "doctype": body.replace(b"?>", b'?><!DOCTYPE a [<!ENTITY b "c">]>', 1)}[kind]  # fmt: skip
    path = f"/data/experiments/{session.id}"
    pair.source.box.faults.add(Fault("GET", path, "status", status=200, body=sent.decode()))
    with pytest.raises(ReplyStrange):
        pair.source.server.describe(session)


def test_the_rules_of_a_project_are_told(pair: Pair) -> None:
    rules = pair.source.server.rules(SOURCE)
    assert (rules.prearchive_code, rules.may_edit, rules.site_script) == ("4", True, True)
    assert "xnat:mrSessionData" in rules.types
    with pytest.raises(NotThere):
        pair.source.server.rules("NOWHERE")
