"""The receiver for modalities: what is stored by C-STORE is in the prearchive, as on an XNAT (import.md §5, §12.2)."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from sandbox.dicom_study import MR, ROOT, mr_object
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.scp.receiver import Receiver


@pytest.fixture
def receiver(site: Site) -> Iterator[Receiver]:
    site.settings.update({"enableSitewideAnonymizationScript": False})
    with Receiver(site) as running:
        yield running


def associate(receiver: Receiver, called: str = "XNAT", *syntaxes: str) -> Association:
    entity = AE("SCANNER")
    entity.add_requested_context(Verification)
    for syntax in syntaxes or (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        entity.add_requested_context(MR, syntax)
    return entity.associate("127.0.0.1", receiver.port, ae_title=called)


def send(association: Association, content: bytes) -> int:
    return int(association.send_c_store(pydicom.dcmread(io.BytesIO(content))).Status)


def rows(site: Site) -> list[tuple[str, str, str, str]]:
    return sorted((row.project or "Unassigned", row.subject, row.name, row.status) for row in site.prearchive)


def stored(site: Site) -> list[bytes]:
    found = []
    for row in site.prearchive:
        for path, _ in site.store.list(row.path):
            with site.store.open(f"{row.path}/{path}") as file:
                found.append(file.read())
    return sorted(found)


def data_set(content: bytes) -> bytes:
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def test_the_headers_say_where_an_object_goes(admin: httpx.Client, site: Site, receiver: Receiver) -> None:
    """Comments first, then Study Description, name and ID; without a project that exists it is Unassigned (§4.1)."""
    admin.put("/data/projects/P1").raise_for_status()
    admin.put("/data/projects/P2").raise_for_status()
    association = associate(receiver)
    by_comment = mr_object(study=2, PatientComments="Project:P2 Subject:S2 Session:E2")
    by_nothing = mr_object(study=3, StudyDescription="head")

    assert [send(association, one) for one in (mr_object(), by_comment, by_nothing)] == [0, 0, 0]
    association.release()

    assert rows(site) == [
        ("P1", "SUB01", "SESS01", "RECEIVING"),
        ("P2", "S2", "E2", "RECEIVING"),
        ("Unassigned", "SUB01", "SESS01", "RECEIVING"),
    ]
    assert [one.status for one in receiver.log] == [0, 0, 0]
    assert {one.calling for one in receiver.log} == {"SCANNER"}


def test_it_is_the_data_set_that_was_sent(admin: httpx.Client, site: Site, receiver: Receiver) -> None:
    """Byte for byte, with meta information that names the sender; the name is the template's (§4.6)."""
    admin.put("/data/projects/P1").raise_for_status()
    association = associate(receiver, "XNAT", ExplicitVRLittleEndian)
    sent = [mr_object(1, number) for number in (1, 2)]
    for one in sent:
        send(association, one)
    association.release()

    held = stored(site)
    assert [data_set(one) for one in held] == [data_set(one) for one in sent]
    assert pydicom.dcmread(io.BytesIO(held[0])).file_meta.SourceApplicationEntityTitle == "SCANNER"
    names = [path for row in site.prearchive for path, _ in site.store.list(row.path)]
    assert all(f"{ROOT}.1-1-" in name for name in names)


def test_it_is_built_and_listed_when_nothing_comes_any_more(
    admin: httpx.Client, site: Site, receiver: Receiver
) -> None:
    """After the idle time, or when somebody asks for it."""
    admin.put("/data/projects/P1").raise_for_status()
    association = associate(receiver)
    send(association, mr_object())
    association.release()
    row = next(iter(site.prearchive))

    assert admin.get(f"/data{row.uri}/scans?format=json").status_code == 404
    admin.post(f"/data{row.uri}?action=build").raise_for_status()
    assert [scan["ID"] for scan in admin.get(f"/data{row.uri}/scans?format=json").json()["ResultSet"]["Result"]] == [
        "1"
    ]


def test_another_called_title_is_rejected(receiver: Receiver) -> None:
    """Permanently, by the user of the service: called AE title not recognised; titles are case-sensitive."""
    for called in ("OTHER", "xnat"):
        association = associate(receiver, called)
        assert association.is_rejected
        answer = association.acceptor.primitive
        assert answer is not None
        assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 7)


def test_only_syntaxes_of_the_list_are_taken(receiver: Receiver) -> None:
    """JPEG 2000 as it is; a deflated one is refused before anything is sent, and C-ECHO works all the same (§5)."""
    association = associate(receiver, "XNAT", JPEG2000Lossless, DeflatedExplicitVRLittleEndian)

    assert int(association.send_c_echo().Status) == 0
    assert [c.transfer_syntax[0] for c in association.accepted_contexts if c.abstract_syntax == MR] == [
        JPEG2000Lossless
    ]
    assert [c.abstract_syntax for c in association.rejected_contexts] == [MR]
    association.release()


def test_without_an_account_that_receives_it_is_0xa700(site: Site, receiver: Receiver) -> None:
    """Nothing of it is in the prearchive then."""
    association = associate(receiver)
    assert send(association, mr_object(1, 1)) == 0
    with site.lock:
        user = site.accounts.book.users.pop("admin")
    assert send(association, mr_object(1, 2)) == 0xA700
    with site.lock:
        site.accounts.book.users["admin"] = user
    association.release()

    assert len(stored(site)) == 1
    assert [one.status for one in receiver.log] == [0, 0xA700]


def test_a_filter_drops_with_success(site: Site, receiver: Receiver) -> None:
    """As on XNAT: 0x0000 is no proof that it is there (§4.10)."""
    site.settings.update(
        {
            "enableSitewideSeriesImportFilter": True,
            "sitewideSeriesImportFilterMode": "blacklist",
            "sitewideSeriesImportFilter": "series 1",
        }
    )
    association = associate(receiver)

    assert send(association, mr_object()) == 0
    association.release()
    assert stored(site) == []


def test_an_abort_in_the_middle_leaves_what_was_whole(site: Site, receiver: Receiver) -> None:
    """And the receiver serves the next association."""
    association = associate(receiver)
    send(association, mr_object(1, 1))
    association.abort()
    again = associate(receiver)
    assert send(again, mr_object(1, 2)) == 0
    again.release()

    assert len(stored(site)) == 2


def test_several_associations_at_once(site: Site, receiver: Receiver) -> None:
    """One session, whoever sends its parts."""
    associations = [associate(receiver) for _ in range(4)]
    for number, association in enumerate(associations, 1):
        assert send(association, mr_object(1, number)) == 0
    for association in associations:
        association.release()

    assert len(stored(site)) == 4
    assert len(list(site.prearchive)) == 1
