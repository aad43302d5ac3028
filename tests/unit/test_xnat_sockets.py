"""Sockets that were closed meanwhile: an error of the connection, never of the program."""

from __future__ import annotations

import socket

import httpcore
import pytest

from xnatsync.xnat.pace import Pace, Timeouts
from xnatsync.xnat.sockets import _Paced
from xnatsync.xnat.wire import Call, Verb


class Inner(httpcore.NetworkStream):
    """A stream over a real socket."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def get_extra_info(self, info: str) -> object:
        return self.raw if info == "socket" else None


def test_a_socket_that_the_pool_closed_is_an_error_of_the_connection() -> None:
    """A pool with more threads than connections closes what seems idle while another thread begins to use it."""
    here, there = socket.socketpair()
    paced = _Paced(Inner(here))
    pace = Pace(Call(Verb.READ, "GET", "/", "x"), Timeouts(), head_s=5.0, stop=lambda: False, whole=True)
    here.close()
    there.close()

    with pytest.raises(httpcore.ReadError):
        paced.read(10, pace)
    with pytest.raises(httpcore.WriteError):
        paced.write(b"x", pace)
