from __future__ import annotations

import threading
from collections.abc import Mapping

import httpx
import pytest

from xnatsync.core.errors import ConfigError, CredentialsRefused, LoginLost, ReplyStrange, ServerUnreachable
from xnatsync.xnat.login import REFUSAL_REST_S, Login
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call


class Gate:
    """Answers as XNAT's gate does; no sockets, because the order of threads is what is looked at here."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.password_is_right = True

    def __call__(self, call: Call, headers: Mapping[str, str]) -> Reply:
        self.calls.append(f"{call.method} {call.path}")
        if call.path == "/data/JSESSION" and not self.password_is_right:
            return Reply(call, 401, b"")
        body = b"S1" if call.path == "/data/JSESSION" else b"User 'jdoe' is logged in"
        return Reply(call, 200, body, httpx.Headers())

    @property
    def logins(self) -> int:
        return self.calls.count("POST /data/JSESSION")


def test_who_waited_for_a_failed_login_shares_its_failure() -> None:
    """A dead server keeps the first thread for the time of a connection, not each of eight threads in turn."""
    calls: list[str] = []
    waiting = threading.Event()
    failures: list[BaseException] = []

    class Lock:
        def __init__(self) -> None:
            self._lock = threading.Lock()

        def __enter__(self) -> None:
            if self._lock.locked():
                waiting.set()
            self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            self._lock.release()

    def second() -> None:
        try:
            login.ticket()
        except ServerUnreachable as error:
            failures.append(error)

    other = threading.Thread(target=second)

    def exchange(call: Call, headers: Mapping[str, str]) -> Reply:
        calls.append(call.path)
        other.start()
        assert waiting.wait(10)
        raise ServerUnreachable("logging in: no connection")

    login = Login("jdoe", "secret", exchange)
    login._lock = Lock()  # type: ignore[assignment]

    with pytest.raises(ServerUnreachable) as first:
        login.ticket()
    other.join()

    assert calls == ["/data/JSESSION"]
    assert [str(error) for error in failures] == [str(first.value)]
    assert failures[0] is not first.value


def test_refused_credentials_rest_for_a_minute() -> None:
    """After that, somebody may have unlocked the account."""
    gate, now = Gate(), [100.0]
    gate.password_is_right = False
    login = Login("jdoe", "secret", gate, monotonic=lambda: now[0])

    for _ in range(5):
        with pytest.raises(CredentialsRefused):
            login.ticket()
    assert gate.logins == 1

    gate.password_is_right = True
    now[0] += REFUSAL_REST_S
    assert login.ticket().user == "jdoe"
    assert gate.logins == 2


def test_an_unreachable_server_is_asked_again_by_the_next_who_comes() -> None:
    """Only refused credentials rest; a failed connection does not stick."""
    tries: list[int] = []
    gate = Gate()

    def exchange(call: Call, headers: Mapping[str, str]) -> Reply:
        tries.append(1)
        if len(tries) == 1:
            raise ServerUnreachable("no connection")
        return gate(call, headers)

    login = Login("jdoe", "secret", exchange)
    with pytest.raises(ServerUnreachable):
        login.ticket()

    assert login.ticket().user == "jdoe"


def test_a_ticket_that_was_renewed_meanwhile_is_used() -> None:
    """Who finds out second that the login is dead does not log in a second time."""
    gate = Gate()
    login = Login("jdoe", "secret", gate)
    spent = login.ticket()

    fresh = login.renew(spent)

    assert login.renew(spent) is fresh
    assert gate.logins == 2


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        ((200, b"<!DOCTYPE html><html>portal</html>"), ReplyStrange),
        ((404, b"<html><h3>not here</h3></html>"), ReplyStrange),
        ((405, b""), ReplyStrange),
        ((200, b""), ReplyStrange),
        ((200, b"a session; with=tricks\r\n"), ReplyStrange),
        ((302, b""), ReplyStrange),
        ((401, b""), CredentialsRefused),
        ((403, b"Your password has expired. Please update your password and try again."), CredentialsRefused),
    ],
)
def test_what_is_no_login(reply: tuple[int, bytes], failure: type[Exception]) -> None:
    """Neither a portal's page nor an empty answer is a session."""
    login = Login("jdoe", "secret", lambda call, _: Reply(call, *reply))

    with pytest.raises(failure):
        login.ticket()


def test_a_session_unknown_a_moment_later_is_lost() -> None:
    """A cluster whose nodes do not know each other's sessions."""

    def exchange(call: Call, headers: Mapping[str, str]) -> Reply:
        return Reply(call, 200, b"S1") if call.path == "/data/JSESSION" else Reply(call, 401, b"")

    with pytest.raises(LoginLost):
        Login("jdoe", "secret", exchange).ticket()


def test_a_user_name_with_a_colon_cannot_be_sent() -> None:
    """Basic authentication would cut it there."""
    with pytest.raises(ConfigError):
        Login("a:b", "secret", Gate())
