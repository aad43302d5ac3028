"""What an archive may send instead of what was asked for: every kind is seen, and nothing wrong comes to its end."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Iterator

import pytest

from unit.xnat_scripted import LOGIN_PAGE, Answer, Asked, Scripted, connected, page, scripted
from xnatsync.core.errors import LoginLost, NotThere, OutcomeUnknown, ReadFailed, ReplyStrange, SourceChanged
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.xnat.server import XnatServer

OWNER = Owner(OwnerKind.SESSION, "P1", "XNAT_E1")
E = "/data/experiments/XNAT_E1"
KEY = ResourceKey("4", "DICOM")
ZIP = f"{E}/scans/4/resources/DICOM/files"
FILE = f"{ZIP}/1.dcm"
INSIDE = "LABEL/scans/4-T1/resources/DICOM/files/"
FILES = {INSIDE + "1.dcm": b"one" * 1000, INSIDE + "2.dcm": b"two" * 1000}
BROKEN = Answer(500, page("The server encountered an unexpected condition"))


@pytest.fixture
def xnat() -> Iterator[Scripted]:
    with scripted() as script:
        script.on("GET", E, Answer(200, b'{"items":[{"data_fields":{"ID":"XNAT_E1"}}]}'))
        yield script


def zipped(files: dict[str, bytes], *, attributes: int = 0) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, attributes
            archive.writestr(info, content)
    return sink.getvalue()


def fetched(server: XnatServer, *keys: ResourceKey) -> dict[tuple[str, str], bytes]:
    return {(key.label, name): b"".join(content) for key, name, content in server.fetch_resources(OWNER, keys or [KEY])}


def ended(server: XnatServer) -> set[str]:
    """The names whose content came to its end, and the failure after them."""
    seen: set[str] = set()

    def read() -> None:
        for _, name, content in server.fetch_resources(OWNER, [KEY]):
            for _ in content:
                pass
            seen.add(name)

    with pytest.raises((ReadFailed, ReplyStrange, LoginLost)) as caught:
        read()
    return seen | {type(caught.value).__name__}


# --- zips --------------------------------------------------------------------------------------------------------


def test_a_whole_zip_comes_whole(xnat: Scripted) -> None:
    """The companion of all that follows."""
    xnat.on("GET", ZIP, Answer(200, zipped(FILES), chunked=True))
    with connected(xnat) as server:
        assert fetched(server) == {("DICOM", "1.dcm"): b"one" * 1000, ("DICOM", "2.dcm"): b"two" * 1000}
    assert [asked.query for asked in xnat.requests("GET", ZIP)] == [{"format": "zip"}]


def test_a_zip_that_ends_cleanly_without_its_directory_is_cut(xnat: Scripted) -> None:
    """The stream ended as HTTP wants, in the middle of what was to come: between members, and within one."""
    raw = zipped(FILES)
    second = raw.index(b"PK\3\4", 1)
    directory = raw.index(b"PK\1\2")
    with connected(xnat) as server:
        for cut, whole in ((second, {"1.dcm"}), (second + 200, {"1.dcm"}), (directory, {"1.dcm", "2.dcm"})):
            xnat.on("GET", ZIP, Answer(200, raw[:cut], chunked=True))
            assert ended(server) == {*whole, "ReadFailed"}
        for cut in (directory + 10, len(raw) - 5):
            xnat.on("GET", ZIP, Answer(200, raw[:cut], chunked=True))
            assert ended(server) == {"1.dcm", "2.dcm", "ReadFailed"}


def test_a_body_cut_by_the_connection_is_seen(xnat: Scripted) -> None:
    """Whether it had a length or came in pieces."""
    raw = zipped(FILES)
    with connected(xnat) as server:
        for chunked in (True, False):
            xnat.on("GET", ZIP, Answer(200, raw, chunked=chunked, cut=2000))
            assert ended(server) == {"ReadFailed"}


def test_a_wrong_crc_keeps_the_content_from_its_end(xnat: Scripted) -> None:
    """One byte changed on the way."""
    xnat.on("GET", ZIP, Answer(200, zipped(FILES).replace(b"twotwo", b"twoTwo", 1)))
    with connected(xnat) as server:
        assert ended(server) == {"1.dcm", "ReadFailed"}


def test_swapped_members_are_seen_by_the_directory(xnat: Scripted) -> None:
    """Each is whole and has the right CRC, under the name of the other."""
    raw, other = zipped(FILES), zipped(dict(zip(FILES, reversed(FILES.values()), strict=True)))
    directory = raw.index(b"PK\1\2")
    xnat.on("GET", ZIP, Answer(200, other[:directory] + raw[directory:]))
    with connected(xnat) as server:
        assert ended(server) == {"1.dcm", "2.dcm", "ReplyStrange"}


def test_a_member_that_does_not_come_is_missing(xnat: Scripted) -> None:
    """XNAT leaves out what is missing on its disk: the caller, who has the listing, sees it."""
    xnat.on("GET", ZIP, Answer(200, zipped({INSIDE + "1.dcm": b"1"})))
    with connected(xnat) as server:
        assert fetched(server) == {("DICOM", "1.dcm"): b"1"}


@pytest.mark.parametrize("body", [LOGIN_PAGE, b"<html><h1>Welcome</h1></html>", b"{}", b"", b"%PDF-1.4"])
def test_what_is_no_zip_is_no_files(xnat: Scripted, body: bytes) -> None:
    """A login page with 200 above all."""
    xnat.on("GET", ZIP, Answer(200, body))
    with connected(xnat) as server:
        assert len(ended(server)) == 1


@pytest.mark.parametrize(
    "name", [INSIDE + "../../../up", INSIDE + "/etc/passwd", INSIDE + "a\\b", INSIDE + "a\nb", INSIDE + "C:/x"]
)
def test_names_that_could_harm_are_never_given(xnat: Scripted, name: str) -> None:
    """The other files come."""
    xnat.on("GET", ZIP, Answer(200, zipped({name: b"evil", **FILES})))
    with connected(xnat) as server:
        assert {name for _, name in fetched(server)} == {"1.dcm", "2.dcm"}


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", "LABEL/resources/DICOM/files/1.dcm", "1.dcm"])
def test_files_outside_of_what_was_asked_for_make_the_zip_strange(xnat: Scripted, name: str) -> None:
    """No XNAT writes such a zip."""
    xnat.on("GET", ZIP, Answer(200, zipped({name: b"evil", **FILES})))
    with connected(xnat) as server:
        assert ended(server) == {"ReplyStrange"}


def test_a_link_in_a_zip_is_never_one_here(xnat: Scripted) -> None:
    """Its target comes as content, which no listing states; and the zip is strange."""
    xnat.on(
        "GET", ZIP, Answer(200, zipped({INSIDE + "1.dcm": b"/etc/passwd"}, attributes=(stat.S_IFLNK | 0o777) << 16))
    )
    with connected(xnat) as server:
        assert ended(server) == {"1.dcm", "ReplyStrange"}


def test_a_member_twice_makes_the_zip_strange(xnat: Scripted) -> None:
    """Under one path, and under two that mean the same."""
    xnat.on("GET", ZIP, Answer(200, zipped({**FILES, INSIDE.replace("4-T1", "4") + "1.dcm": b"again"})))
    with connected(xnat) as server:
        assert ended(server) == {"1.dcm", "2.dcm", "ReplyStrange"}


def test_a_server_that_breaks_over_an_absent_owner_says_not_there(xnat: Scripted) -> None:
    """500 where the owner is gone, ReadFailed where it is there (§3.8)."""
    xnat.on("GET", ZIP, BROKEN)
    with connected(xnat) as server:
        assert ended(server) == {"ReadFailed"}
        xnat.on("GET", E, Answer(404, page("Unable to find the specified experiment.")))
        with pytest.raises(NotThere):
            fetched(server)


def test_scans_that_want_the_same_come_with_one_zip(xnat: Scripted) -> None:
    """Comma lists for scans and labels; session resources with one of their own."""
    keys = [ResourceKey(str(scan), label) for scan in range(1, 11) for label in ("DICOM", "NIFTI")]
    both = f"{E}/scans/1,10,2,3,4,5,6,7,8,9/resources/DICOM,NIFTI/files"
    own = f"{E}/resources/BIDS,QC/files"
    files = {f"L/scans/{key.scan}-T/resources/{key.label}/files/f": key.scan.encode() for key in keys}
    xnat.on("GET", both, Answer(200, zipped(files)))
    xnat.on("GET", own, Answer(200, zipped({"L/resources/QC/files/f": b"qc"})))
    with connected(xnat) as server:
        got = list(server.fetch_resources(OWNER, [*keys, ResourceKey("", "QC"), ResourceKey("", "BIDS")]))
    assert {key for key, _, _ in got} == {*keys, ResourceKey("", "QC")}
    assert len([asked for asked in xnat.asked if asked.path.startswith(E)]) == 2


# --- single files ------------------------------------------------------------------------------------------------


def ranged(asked: Asked) -> Answer:
    start = int(asked.headers["range"].removeprefix("bytes=").removesuffix("-"))
    return Answer(206, b"0123456789"[start:], {"Content-Range": f"bytes {start}-9/10"})


def test_a_range_goes_on_where_we_were(xnat: Scripted) -> None:
    """The companion of what follows."""
    xnat.on("GET", FILE, ranged)
    with connected(xnat) as server:
        assert b"".join(server.fetch_file(OWNER, KEY, "1.dcm", offset=4)) == b"456789"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"0123456789"),
        Answer(206, b"456789"),
        Answer(206, b"456789", {"Content-Range": "bytes 3-8/10"}),
        Answer(206, b"4567", {"Content-Range": "bytes 4-7/10"}),
        Answer(206, b"456789", {"Content-Range": "chunks"}),
        Answer(416, page("range"), {"Content-Range": "bytes */3"}),
    ],
    ids=["ignored", "untold", "elsewhere", "not-to-the-end", "no-range", "file-is-shorter"],
)
def test_any_other_part_is_refused(xnat: Scripted, answer: Answer) -> None:
    """Nothing of it is given: the caller begins anew."""
    xnat.on("GET", FILE, answer)
    with connected(xnat) as server:
        pieces = server.fetch_file(OWNER, KEY, "1.dcm", offset=4)
        with pytest.raises(ReplyStrange):
            next(pieces)


def test_a_part_that_was_not_asked_for_is_refused(xnat: Scripted) -> None:
    """206 to a request without a range."""
    xnat.on("GET", FILE, Answer(206, b"456", {"Content-Range": "bytes 4-6/10"}))
    with connected(xnat) as server, pytest.raises((ReplyStrange, ReadFailed)):
        list(server.fetch_file(OWNER, KEY, "1.dcm"))


def test_a_cut_file_does_not_end(xnat: Scripted) -> None:
    """Its length was told."""
    xnat.on("GET", FILE, Answer(200, b"x" * 100_000, cut=50_000))
    with connected(xnat) as server, pytest.raises(ReadFailed):
        list(server.fetch_file(OWNER, KEY, "1.dcm"))


def test_a_web_page_is_a_file_only_where_the_server_names_it_one(xnat: Scripted) -> None:
    """XNAT names every file it sends; a login page has no name (§6.5)."""
    xnat.on("GET", FILE, Answer(200, LOGIN_PAGE))
    with connected(xnat) as server:
        with pytest.raises(LoginLost):
            list(server.fetch_file(OWNER, KEY, "1.dcm"))
        xnat.on("GET", FILE, Answer(200, LOGIN_PAGE, {"Content-Disposition": 'attachment; filename="1.dcm";'}))
        assert b"".join(server.fetch_file(OWNER, KEY, "1.dcm")) == LOGIN_PAGE


# --- storing -----------------------------------------------------------------------------------------------------


def put(server: XnatServer, content: bytes, size: int) -> None:
    server.put_resource_file(OWNER, KEY, "1.dcm", iter([content]), size=size, overwrite=True, request_id="r")


def test_a_store_without_a_usable_answer_is_unknown(xnat: Scripted) -> None:
    """It may have happened: a catalogue written at the same time, silence, an answer that is none."""
    with connected(xnat) as server:
        for answer in (BROKEN, Answer(silent=True), Answer(200, b"what?")):
            xnat.on("PUT", FILE, answer)
            with pytest.raises(OutcomeUnknown):
                put(server, b"abc", 3)


def test_a_file_that_changes_while_it_is_sent_is_not_stored_as_whole(xnat: Scripted) -> None:
    """Shorter or longer than was told."""
    xnat.on("PUT", FILE, Answer(200))
    with connected(xnat) as server:
        for content in (b"abcd", b"ab"):
            with pytest.raises(SourceChanged):
                put(server, content, 3)
        put(server, b"abc", 3)
    assert [asked.body for asked in xnat.requests("PUT", FILE) if asked.complete][-1] == b"abc"
    assert xnat.requests("PUT", FILE)[-1].query == {"overwrite": "true"}


# --- metadata ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'<xnat:MRSession xmlns:xnat="x" ID="XNAT_E1"><xnat:date>',
        b'<xnat:MRSession xmlns:xnat="x" ID="XNAT_E2"/>',
        b'<xnat:Project xmlns:xnat="x"/>',
        b'<!DOCTYPE x [<!ENTITY a "b">]><x ID="XNAT_E1"/>',
        b"",
        json.dumps({"items": []}).encode(),
    ],
    ids=["cut", "another's", "the parent's", "entities", "nothing", "json"],
)
def test_metadata_is_whole_and_the_owners_own(xnat: Scripted, body: bytes) -> None:
    """Anything else is strange."""
    with connected(xnat) as server:
        xnat.on("GET", E, Answer(200, b'<xnat:MRSession xmlns:xnat="x" ID="XNAT_E1"/>'))
        assert server.metadata(OWNER).startswith(b"<xnat:MRSession")
        xnat.on("GET", E, Answer(200, body))
        with pytest.raises(ReplyStrange):
            server.metadata(OWNER)
