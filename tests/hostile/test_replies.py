"""A server that is wrong, hostile or somebody else: its answers end in an error that says so, never in a fact."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from fuzz import seeds, targets
from hostile.oracle import Caught, judged
from hostile.wicked import CLIMBING, LONG, NAMES, RESERVED, STEERING
from unit.xnat_scripted import Answer, connected, scripted
from xnatsync.core.errors import OutcomeUnknown, ReadFailed, ReplyStrange, XnatsyncError
from xnatsync.core.remote import ImportTarget
from xnatsync.xnat import catalog, failures, replies
from xnatsync.xnat.replies import Reply

QUICK = examples(150)
VALUES = st.one_of(
    NAMES,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
ROWS = [(number, row[0]) for number, row in seeds.rows()]


@QUICK
@given(st.data())
def test_any_value_in_any_column_ends_well(data: Any) -> None:
    """Names that climb, that steer, that are 64 kB long; numbers, lists and nothing where a name should be."""
    number, row = data.draw(st.sampled_from(ROWS))
    changed = dict(row)
    for column in data.draw(st.lists(st.sampled_from(sorted(row)), max_size=3)):
        changed[column] = data.draw(VALUES)
    listed = [changed, row] if data.draw(st.booleans()) else [changed]
    document = json.dumps({"ResultSet": {"Result": listed}}).encode("utf-8", "surrogatepass")
    cut = data.draw(st.integers(0, 3 * len(document)))
    targets.answers(bytes([number]) + document[: cut or None])


@QUICK
@given(st.integers(0, len(targets.PARSERS) - 1), st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3)))
def test_any_document_ends_well(number: int, document: Any) -> None:
    """Whatever JSON there is in place of a listing."""
    for wrapped in (document, {"ResultSet": document}, {"ResultSet": {"Result": document}}, {"items": document}):
        targets.answers(bytes([number]) + json.dumps(wrapped).encode("utf-8", "surrogatepass"))


HOSTILE = [name for name in (*CLIMBING, *STEERING, *LONG) if name not in {"~/x", "%2e%2e/x", "\ufeff", "é" * 200}]


@pytest.mark.parametrize("name", [n for n in HOSTILE if not n.startswith(("．．", "..%2f", "\u2024"))])
def test_a_hostile_file_name_is_refused(name: str) -> None:
    """As the name of a file, of a scan, of a resource, of a session."""
    uri = f"/data/experiments/E1/scans/4/resources/R/files/{name}"
    row = {"Name": "x", "Size": "1", "URI": uri, "collection": "R", "digest": ""}
    with pytest.raises(ReplyStrange) as caught:
        replies.files(_reply([row]))
    assert name not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("label", RESERVED)
def test_reserved_names_are_only_names(label: str) -> None:
    """They are addressed on the server; here they become no file."""
    assert replies.labels(_reply([{"label": label}])) == (label,)


@pytest.mark.parametrize("size", [1 << 16, 1 << 20])
def test_a_label_without_end_is_refused_in_few_words(size: int) -> None:
    """64 kB and more."""
    with pytest.raises(ReplyStrange) as caught:
        replies.labels(_reply([{"label": "x" * size}]))
    assert len(str(caught.value)) < 200


def _reply(rows: list[dict[str, str]]) -> Reply:
    return Reply(targets.CALL, 200, json.dumps({"ResultSet": {"Result": rows}}).encode("utf-8", "surrogatepass"))


# --- XML ---------------------------------------------------------------------------------------------------------


def _entities() -> bytes:
    names = "abcdefghij"
    inner = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    return f'<!DOCTYPE x [<!ENTITY a "0123456789">{inner}]><x>&j;</x>'.encode()


@pytest.mark.parametrize(
    "document",
    [
        _entities(),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        b'<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><x/>',
        seeds.CATALOG.replace(b"?>", b'?><!DOCTYPE x [<!ATTLIST x a CDATA "1">]>', 1),
        b"<a>" * 500_000,
        b"<html><body>login</body></html>",
        seeds.CATALOG[:-5],
        seeds.CATALOG.decode().encode("utf-16"),
        seeds.CATALOG.replace(b"UTF-8", b"EBCDIC-CP-BE"),
        b"",
    ],
    ids=range(11),
)  # fmt: skip
def test_hostile_xml_is_refused(document: bytes) -> None:
    """Before anything is expanded or fetched."""
    ended = judged(lambda: catalog.sop_uids(Reply(targets.CALL, 200, document)), naming=targets.WHAT)
    assert isinstance(ended, ReplyStrange) or ended == {"x/1.2.3.dcm": "1.2.3", "1.2.3.dcm": "1.2.3"}
    assert isinstance(ended, ReplyStrange) or document.startswith((b"\xff\xfe", b"\xfe\xff"))


@QUICK
@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=6), st.integers(0, 999))
def test_a_catalogue_with_any_bytes_changed_ends_well(changes: list[tuple[int, int]], length: int) -> None:
    """And what it says are UIDs."""
    changed = bytearray(seeds.CATALOG)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    targets.catalogues(bytes(changed[: length % len(changed) or None]))


# --- refusals ----------------------------------------------------------------------------------------------------


@QUICK
@given(st.integers(0, 65535), st.integers(0, 5), st.binary(max_size=40), st.text(max_size=300))
def test_any_refusal_is_one_error(status: int, verb: int, header: bytes, body: str) -> None:
    """Of a class of ours, in few words, with a wait that ends."""
    targets.refusals(status.to_bytes(2, "big") + bytes([verb]) + header.replace(b"\n", b"") + b"\n\n" + body.encode())


def test_the_words_of_an_endless_page_are_found_at_once() -> None:
    """Searching for an end that never comes must not take the square of a page's length."""
    for page in ("<h3>" * 2_000_000, "<title>" * 2_000_000, "<" * 8_000_000, "<h3>" + "<" * 8_000_000 + "</h3>"):
        judged(lambda page=page: failures.message(page), seconds=5)


# --- downloads ---------------------------------------------------------------------------------------------------


@QUICK
@given(
    st.sampled_from(list(seeds.fetched())), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6)
)
def test_a_download_with_any_bytes_changed_ends_well(content: bytes, changes: list[tuple[int, int]]) -> None:
    """A file that was damaged on the way has not come to its end."""
    changed = bytearray(content)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    targets.fetched(bytes(changed))


@QUICK
@given(st.lists(NAMES, max_size=3))
def test_a_download_with_any_names_ends_well(names: list[str]) -> None:
    """A name outside of the scans that were asked for is refused."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, name in enumerate(names):
            if len(name.encode("utf-8", "replace")) < 60_000:
                archive.writestr(
                    f"E1/scans/{number + 1}/resources/DICOM/files/{name.encode('utf-8', 'replace').decode()}", b"x"
                )
    targets.fetched(stream.getvalue())


@pytest.mark.parametrize("place", [14, 18, 22])
@pytest.mark.parametrize("change", [1, 1 << 31])
def test_a_download_that_lies_about_sizes_is_refused(place: int, change: int) -> None:
    """CRC, packed and unpacked size, of the first member."""
    content = bytearray(next(seeds.fetched()))
    (value,) = struct.unpack_from("<L", content, place)
    struct.pack_into("<L", content, place, (value + change) & 0xFFFFFFFF)
    ended = judged(lambda: targets._fetch(targets.cast("Any", targets.Scripted([bytes(content)]))))
    assert isinstance(ended, ReadFailed | ReplyStrange)


# --- over a real socket ------------------------------------------------------------------------------------------


def _packed(times: int) -> bytes:
    body = bytes(64 << 20)
    for _ in range(times):
        body = gzip.compress(body)
    return body


@pytest.mark.parametrize("encoding", ["gzip, gzip, gzip", "gzip,deflate", "deflate, gzip"])
def test_an_answer_packed_several_times_over_is_not_unpacked(encoding: str) -> None:
    """64 kB of it would take gigabytes of memory.  A read is strange; of a write nobody knows."""
    body = _packed(3)
    assert len(body) < 2000
    with scripted() as script, connected(script) as server:
        answer = Answer(200, body, {"Content-Encoding": encoding})
        script.on("GET", "/data/projects/P1", script.guarded(answer))
        script.on("POST", "/data/services/import", script.guarded(answer))
        read = judged(lambda: server.project("P1"), growth_bytes=100 << 20)
        target = ImportTarget("P1", "S", "E")
        wrote = judged(lambda: server.import_zip(target, [], size=22, request_id="xs-1"), growth_bytes=100 << 20)
    assert isinstance(read, ReplyStrange)
    assert isinstance(wrote, OutcomeUnknown)


def test_an_answer_packed_once_is_read() -> None:
    """Proxies do that."""
    with scripted() as script, connected(script) as server:
        body = gzip.compress(b'{"items":[{"data_fields":{"ID":"P1"}}]}')
        script.on("GET", "/data/projects/P1", script.guarded(Answer(200, body, {"Content-Encoding": "gzip"})))
        found = server.project("P1")
    assert found is not None
    assert found.id == "P1"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, zlib.compress(b"x" * 100)[:20], {"Content-Encoding": "deflate"}),
        Answer(200, b"no gzip", {"Content-Encoding": "gzip"}),
        Answer(200, b"\xff\xfe{}", {"Content-Type": "application/json; charset=utf-99"}),
        Answer(200, b"{}", {"Set-Cookie": "JSESSIONID=\x01; " + "x" * 5000}),
        Answer(301, b"", {"Location": "http://[/"}),
        Answer(302, b"", {"Location": "x" * 60_000}),
        Answer(503, b"<h3>" * 100_000, {"Retry-After": "9" * 400}),
        Answer(200, b'{"items":' + b"[" * 100_000),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_strange_answer_is_an_error_of_ours(answer: Answer) -> None:
    """Whatever head, packing and status it comes with."""
    with scripted() as script, connected(script) as server:
        script.on("GET", "/data/projects/P1", script.guarded(answer))
        ended = judged(lambda: server.project("P1"), naming="project P1")
    assert isinstance(ended, XnatsyncError)


# --- planted -----------------------------------------------------------------------------------------------------


def _trusting_xml(body: bytes) -> object:
    from xml.dom import minidom

    return minidom.parseString(body).documentElement.getAttribute("UID")  # type: ignore[union-attr]


def _trusting_json(body: bytes) -> object:
    return [row["label"] for row in json.loads(body)["ResultSet"]["Result"]]


@pytest.mark.parametrize("weak", [_trusting_xml, _trusting_json])
def test_a_parser_that_trusts_its_server_is_caught(weak: Callable[[bytes], object]) -> None:
    """By the first answer that is not as expected."""
    for body in (b"", b"<html>", b"[" * 100_000, b"[]", b"<a" * 1000):
        with pytest.raises(Caught, match="bare"):
            judged(lambda body=body: weak(body))
