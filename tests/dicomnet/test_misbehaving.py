"""Receivers that behave as none should: every wait ends, nothing is called sent, and the words say what to do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnet.conftest import QUICK, Send
from dicomnet.objects import write_study
from dicomnet.peers import acceptance, raw_peer, read_unit
from draws import examples
from xnatsync.core.errors import PeerBusy, PeerError, PeerLost, PeerRejected
from xnatsync.core.store_plan import Pair
from xnatsync.core.store_status import Outcome
from xnatsync.dicomnet import messages
from xnatsync.dicomnet.association import associate
from xnatsync.dicomnet.negotiation import agreement, rejection
from xnatsync.dicomnet.peer import Peer

PEER = Peer("127.0.0.1", 104, "KEEPER", "XNATSYNC")
ECHO = Pair("1.2.840.10008.1.1", "1.2.840.10008.1.2")
Act = Callable[[socket.socket], None]


def accepting(then: Act) -> Act:
    """Accepts the association for the C-ECHO and answers it; from the next association on behaves as told."""
    associations = [0]

    def behave(connection: socket.socket) -> None:
        _, request = read_unit(connection)
        connection.sendall(acceptance(request))
        associations[0] += 1
        if associations[0] > 1:
            then(connection)
            return
        kind, content = read_unit(connection)
        assert kind == 4
        context, _, command = (messages.fragments(content) or [])[0]
        connection.sendall(response(command, context, 0x8030))
        read_unit(connection)
        connection.sendall(b"\6\0\0\0\0\4\0\0\0\0")

    return behave


def response(command: bytes, context: int, field: int, status: int = 0, number: int | None = None) -> bytes:
    """The answer to a command, as bytes of a unit."""
    asked = int.from_bytes(command[command.index(b"\0\0\x10\1\2\0\0\0") + 8 :][:2], "little")
    body = b"".join(
        b"\0\0" + tag.to_bytes(2, "little") + b"\2\0\0\0" + value.to_bytes(2, "little")
        for tag, value in (
            (0x100, field),
            (0x120, asked if number is None else number),
            (0x800, 0x101),
            (0x900, status),
        )
    )
    whole = b"\0\0\0\0\4\0\0\0" + len(body).to_bytes(4, "little") + body
    return (
        b"\4\0"
        + (len(whole) + 6).to_bytes(4, "big")
        + (len(whole) + 2).to_bytes(4, "big")
        + bytes([context, 3])
        + whole
    )


def silent(connection: socket.socket) -> None:
    """Takes everything and says nothing."""
    while connection.recv(1 << 16):
        pass


def first_object(connection: socket.socket) -> tuple[int, bytes]:
    """Reads an object to its end; gives its context and its command."""
    command, context = b"", 0
    while True:
        _, content = read_unit(connection)
        for context, flags, piece in messages.fragments(content) or []:
            if messages.is_command(flags):
                command += piece
            elif messages.is_last(flags):
                return context, command


def wrong_number(connection: socket.socket) -> None:
    context, command = first_object(connection)
    connection.sendall(response(command, context, 0x8001, number=999))


def wrong_kind(connection: socket.socket) -> None:
    context, command = first_object(connection)
    connection.sendall(response(command, context, 0x8030))


def wrong_context(connection: socket.socket) -> None:
    context, command = first_object(connection)
    connection.sendall(response(command, context + 2, 0x8001))


def pending(connection: socket.socket) -> None:
    context, command = first_object(connection)
    connection.sendall(response(command, context, 0x8001, status=0xFF00))


def goodbye(connection: socket.socket) -> None:
    first_object(connection)
    connection.sendall(b"\5\0\0\0\0\4\0\0\0\0")


def half_an_answer(connection: socket.socket) -> None:
    context, command = first_object(connection)
    connection.sendall(response(command, context, 0x8001)[:30])
    connection.close()


def dripping(connection: socket.socket) -> None:
    context, command = first_object(connection)
    for byte in response(command, context, 0x8001)[:-1]:
        time.sleep(0.02)
        connection.sendall(bytes([byte]))
    silent(connection)


def endless(connection: socket.socket) -> None:
    first_object(connection)
    connection.sendall(b"\4\0\xff\xff\xff\xff" + b"x" * 100)


def closing(connection: socket.socket) -> None:
    connection.close()


@pytest.mark.parametrize(
    "act",
    [silent, wrong_number, wrong_kind, wrong_context, pending, goodbye, half_an_answer, dripping, endless, closing],
    ids=lambda act: act.__name__,
)
def test_an_answer_that_is_none_is_no_success(act: Act, source: Path, send: Send) -> None:
    """The object's outcome is unknown, the exit code not 0, and the next run sends it again; it ends in time."""
    write_study(source, 1)
    began = time.monotonic()

    with raw_peer(accepting(act)) as port:
        report = send(port, patience={"answer_s": 0.4})

    assert time.monotonic() - began < 8
    assert (report.exit_code, report.confirmed) == (5, 0)
    assert [(sent.outcome, sent.status) for sent in report.failed] in (
        [(Outcome.UNKNOWN, None)], [(Outcome.UNKNOWN, 0xFF00)]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (silent, "gave no answer within"),
        (closing, "closed the connection|Connection reset"),  # what was sent meanwhile makes it a reset
        (lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "is no DICOM"),
        (lambda c: c.sendall(b"\x15\3\3\0\2\2\x50"), "is no DICOM"),
        (lambda c: c.sendall(b"\2\0\0\0\0\x06abcdef"), "answers no presentation context|cannot be understood"),
        (lambda c: c.sendall(b"\7\0\0\0\0\4\0\0\2\1"), "aborted the association"),
        (lambda c: c.sendall(b"\4\0\0\0\0\4\0\0\0\0"), "cannot be understood"),
    ],
    ids=["silent", "closes", "a web server", "TLS", "an odd acceptance", "aborts", "data"],
)
def test_what_is_no_receiver_is_told_before_anything_is_sent(act: Act, words: str, source: Path, send: Send) -> None:
    """With the option to look at."""
    write_study(source, 1)

    def behave(connection: socket.socket) -> None:
        if act is not closing:
            read_unit(connection)
        act(connection)

    with raw_peer(behave) as port, pytest.raises(PeerLost, match=words):
        send(port, patience={"answer_s": 0.4})


def test_a_connection_that_is_never_accepted_ends_in_time(source: Path, send: Send) -> None:
    """Or whose other end never reads."""
    write_study(source, 1)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, pytest.raises(PeerError):
        send(listener.getsockname()[1], patience={"answer_s": 0.3})


def test_a_receiver_that_reads_nothing_ends_in_time(source: Path, send: Send) -> None:
    """The send has an end, too."""
    write_study(source, 1, pixels=b"\1\2" * 8_000_000)

    def deaf(connection: socket.socket) -> None:
        time.sleep(0.6)

    with raw_peer(accepting(deaf)) as port:
        report = send(port, patience={"send_s": 0.15, "answer_s": 0.4})

    assert report.exit_code == 5
    assert "took no data" in report.failed[0].words or "ended" in report.failed[0].words


def test_a_stop_ends_a_wait_for_an_answer(source: Path, send: Send) -> None:
    """At once, whatever the time limit is; the object on the way is unknown, the rest was not sent."""
    write_study(source, 3)
    stop = Event()

    def act(connection: socket.socket) -> None:
        first_object(connection)
        stop.set()
        silent(connection)

    began = time.monotonic()
    with raw_peer(accepting(act)) as port:
        report = send(port, stop=stop, workers=1, patience={"answer_s": 60.0})

    assert time.monotonic() - began < 10
    assert [sent.outcome for sent in report.failed] == [Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.NOT_SENT]
    assert report.exit_code == 5


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"\0\2\3\2", PeerBusy, "local limit exceeded"),
        (b"\0\2\3\1", PeerBusy, "temporary congestion"),
        (b"\0\1\1\1", PeerRejected, "no reason given"),
        (b"\0\1\1\7", PeerRejected, "called AE title"),
        (b"\0\1\1\3", PeerRejected, "calling AE title"),
        (b"\0\1\7\x09", PeerRejected, "source 7, reason 9"),
        (b"", PeerRejected, "rejected"),
    ],
)
def test_each_reason_of_a_rejection_has_words(content: bytes, kind: type[PeerError], words: str) -> None:
    """Passing ones are another error: trying later may help."""
    error = rejection(PEER, content)
    assert type(error) is kind
    assert words in str(error)
    assert error.remedy


@given(st.binary(max_size=300))
@examples(150)
def test_no_acceptance_whatever_is_a_crash(content: bytes) -> None:
    """It is understood, or the receiver is at fault; a context is never made up."""
    try:
        found = agreement(PEER, [ECHO], content)
    except PeerError:
        return
    assert set(found.contexts) <= {ECHO}
    assert found.room >= 64


@given(st.binary(max_size=200))
@examples(200)
def test_no_answer_whatever_is_a_crash(content: bytes) -> None:
    """Nor is it taken for a success that it is not."""
    found = messages.answer(content)
    if found is not None:
        assert b"\0\0\0\x09\2\0\0\0" in content
    for context, _, piece in messages.fragments(content) or []:
        assert piece in content
        assert 0 <= context <= 255


@given(st.integers(min_value=64, max_value=1 << 17), st.binary(max_size=5000), st.booleans())
@examples(60)
def test_what_is_cut_into_units_is_what_is_put_together(room: int, content: bytes, last: bool) -> None:
    """No unit is longer than agreed, only the last piece is called so, and the fragments are even but for the end."""
    whole = b"".join(messages.units(content, 7, room, last=last))
    joined, at, ends = b"", 0, []
    while at < len(whole):
        length = int.from_bytes(whole[at + 2 : at + 6], "big")
        assert whole[at] == 4
        assert length <= room
        for context, flags, piece in messages.fragments(whole[at + 6 : at + 6 + length]) or []:
            assert (context, messages.is_command(flags)) == (7, False)
            ends.append(messages.is_last(flags))
            joined += piece
        at += 6 + length
    assert joined == content
    if content:
        assert ends == [False] * (len(ends) - 1) + [last]


def test_a_status_is_read_from_an_answer_in_several_fragments() -> None:
    """A command may be cut anywhere."""

    def act(connection: socket.socket) -> None:
        _, request = read_unit(connection)
        connection.sendall(acceptance(request))
        _, content = read_unit(connection)
        context, _, command = (messages.fragments(content) or [])[0]
        whole = response(command, context, 0x8030, status=0x0122)[12:]
        for at in range(0, len(whole), 10):
            piece = whole[at : at + 10]
            flags = 3 if at + 10 >= len(whole) else 1
            connection.sendall(
                b"\4\0" + (len(piece) + 6).to_bytes(4, "big") + (len(piece) + 2).to_bytes(4, "big")
                + bytes([context, flags]) + piece
            )  # fmt: skip
        silent(connection)

    with raw_peer(act) as port, associate(Peer("127.0.0.1", port, "K", "X"), (ECHO,), QUICK, None) as association:
        assert association.echo() == 0x0122
