"""The stand-in server stands, whatever is sent to it: it answers, and writes nothing outside its folder."""

from __future__ import annotations

import io
import socket
import tarfile
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from fuzz import sandbox_target, targets
from hostile.oracle import judged
from hostile.wicked import NAMES, tar_of, zip_of

QUICK = examples(60)
SHAPES = st.integers(0, 13)


@pytest.fixture(autouse=True, scope="module")
def _swept() -> Iterator[None]:
    yield
    sandbox_target.finish()


@QUICK
@given(SHAPES, st.binary(max_size=2000))
def test_any_bytes_are_answered(shape: int, rest: bytes) -> None:
    """In any place of a request: the head, a body, a name, a form."""
    targets.sandbox(bytes([shape]) + rest)


@QUICK
@given(st.sampled_from([7, 8, 11]), NAMES)
def test_any_name_in_an_address_stays_inside(shape: int, name: str) -> None:
    """Files, sessions and whatever is asked for."""
    targets.sandbox(bytes([shape]) + name.encode("utf-8", "surrogatepass"))


@QUICK
@given(st.sampled_from([1, 6]), st.lists(NAMES, max_size=4))
def test_any_member_of_a_zip_stays_inside(shape: int, names: list[str]) -> None:
    """In an import and in a resource that is unpacked."""
    targets.sandbox(bytes([shape]) + zip_of(*((name, b"x") for name in names)))


@QUICK
@given(st.lists(NAMES, max_size=4), st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]))
def test_any_member_of_a_tar_stays_inside(names: list[str], kind: bytes) -> None:
    """Links too: none is ever made."""
    targets.sandbox(b"\x02" + tar_of(*((name, b"x") for name in names), kind=kind))


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1\r\n",
        b"Content-Length: x\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n+1\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    ],
)
def test_a_length_that_is_none_is_answered_at_once(head: bytes) -> None:
    """While the client still waits on an open connection."""
    here = sandbox_target.stand()

    def ask() -> bytes:
        request = b"POST /data/services/import?inbody=true HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\n"
        request += f"Authorization: {sandbox_target.AUTH}\r\n".encode()
        with socket.create_connection(("127.0.0.1", here.server.port), timeout=8) as connection:
            connection.sendall(request + head + b"\r\n")
            return connection.recv(1000)

    answer = judged(ask, root=here.root, all_threads=True)
    assert isinstance(answer, bytes)
    assert answer.split(b" ")[1] in {b"400", b"500"}


def test_zips_in_zips_come_to_an_end() -> None:
    """A thousand deep; the importer opens archives within archives."""
    packed = b"x"
    for _ in range(1000):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a.zip", packed)
        packed = stream.getvalue()
    targets.sandbox(b"\x01" + packed)
