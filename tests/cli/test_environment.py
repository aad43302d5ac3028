"""What the environment says of an account belongs to one address: no other server ever sees it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from front import Front, front
from noun_world import PASSWORD, USER, NounWorld, here
from xnatsync import XNATClient
from xnatsync.services.errors import AuthenticationError

VARIABLES = ("XNAT_URL", "XNAT_USER", "XNAT_PASS", "XNAT_TOKEN", "XNAT_PROFILE", "XNAT_TIMEOUT", "XNAT_VERIFY_SSL")


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    """A server; the environment says nothing of it yet."""
    with here(tmp_path, capsys, monkeypatch) as found:
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        yield found


@pytest.fixture
def other(far: NounWorld) -> Iterator[Front]:
    """Another address, which writes down what it is sent."""
    with front(far.server.port) as found:
        yield found


def configure(far: NounWorld, **servers: str) -> None:
    path = far.root / "config" / "xnatsync" / "xnatsync.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f'[servers.{name}]\nurl = "{url}"\n\n' for name, url in servers.items()))


def secret(other: Front) -> list[str]:
    return [line for _, _, cookie, login in other.seen for line in (cookie, login) if line]


def set_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XNAT_USER", USER)
    monkeypatch.setenv("XNAT_PASS", PASSWORD)


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("named", ["the other's", "none"])
def test_no_other_address_sees_it(
    named: str, token: bool, far: NounWorld, other: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two servers, the one that is asked is not the one of XNAT_URL; or XNAT_URL does not say which is meant."""
    configure(far, prod=far.server.url, staging=other.url)
    if token:
        monkeypatch.setenv("XNAT_TOKEN", far.site.logins.open(USER, far.site.clock()).id)
    set_account(monkeypatch)
    if named != "none":
        monkeypatch.setenv("XNAT_URL", far.server.url)

    for words in (["whoami", "-p", "staging"], ["auth", "login", "-p", "staging"], ["auth", "test", "-p", "staging"]):
        assert far.run(*words).code == 6

    assert secret(other) == []
    assert far.run("whoami", "-p", "prod").code == (0 if named != "none" else 6)


@pytest.mark.parametrize("words", [["whoami"], ["whoami", "-p", "prod"]])
def test_the_only_server_is_meant(words: list[str], far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address, and with one server: nothing else can be meant."""
    configure(far, prod=far.server.url)
    set_account(monkeypatch)

    assert far.run(*words).code == 0


def test_a_token_needs_no_user_and_is_never_ended(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session that somebody else opened; who it is, the server says."""
    token = far.site.logins.open(USER, far.site.clock()).id
    monkeypatch.setenv("XNAT_URL", far.server.url)
    monkeypatch.setenv("XNAT_TOKEN", token)

    for _ in range(2):
        ran = far.run("whoami", "-o", "json")
        assert (ran.document["username"], ran.document["auth_mode"]) == (USER, "token"), ran.err
    assert far.site.logins.find(token, far.site.clock(), 1e6) is not None
    assert token not in ran.out + ran.err


@pytest.mark.parametrize("has_password", [False, True])
def test_a_token_that_has_ended(has_password: bool, far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another login, and its end, where a password is known; else exit 6."""
    monkeypatch.setenv("XNAT_URL", far.server.url)
    monkeypatch.setenv("XNAT_TOKEN", "0123456789ABCDEF")
    if has_password:
        set_account(monkeypatch)

    ran = far.run("whoami")

    assert ran.code == (0 if has_password else 6), ran.err
    assert "0123456789ABCDEF" not in ran.err
    assert len(far.site.logins.of(USER, far.site.clock(), 1e6)) == 0


def test_a_token_that_is_none_is_refused_and_not_shown(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It becomes part of a header: only what a session's name can be."""
    monkeypatch.setenv("XNAT_URL", far.server.url)
    monkeypatch.setenv("XNAT_TOKEN", "abc\r\nX-Evil: 1")

    ran = far.run("whoami")

    assert (ran.code, "Evil" in ran.err) == (6, False)


def test_a_profile_of_the_environment(far: NounWorld, other: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `-p` means it, which wins; contradicting the address beside it, it is refused."""
    configure(far, prod=far.server.url, staging=other.url)
    monkeypatch.setenv("XNATSYNC_PROD_USER", USER)
    monkeypatch.setenv("XNATSYNC_PROD_PASSWORD", PASSWORD)
    monkeypatch.setenv("XNAT_PROFILE", "prod")

    assert far.run("whoami", "-o", "json").document["profile"] == "prod"
    monkeypatch.setenv("XNAT_URL", other.url)
    ran = far.run("whoami")
    assert (ran.code, "XNAT_PROFILE names server prod" in " ".join(ran.err.split())) == (2, True)
    monkeypatch.setenv("XNAT_PROFILE", "staging")
    assert far.run("whoami", "-p", "prod").code == 0


def test_a_server_called_default_is_the_default(far: NounWorld, other: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `[defaults]` names none."""
    configure(far, other=other.url, default=far.server.url)
    monkeypatch.setenv("XNATSYNC_DEFAULT_USER", USER)
    monkeypatch.setenv("XNATSYNC_DEFAULT_PASSWORD", PASSWORD)

    assert far.run("whoami", "-o", "json").document["profile"] == "default"


@pytest.mark.parametrize("text", ["FALSE?", "2", "nope", "disabled"])
def test_a_word_that_is_neither_true_nor_false_is_refused(
    text: str, far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked of the server: who writes `nope` may mean either."""
    monkeypatch.setenv("XNAT_URL", far.server.url)
    set_account(monkeypatch)
    monkeypatch.setenv("XNAT_VERIFY_SSL", text)

    ran = far.run("whoami")

    assert (ran.code, far.server.log) == (2, [])
    assert "XNAT_VERIFY_SSL" in ran.err


@pytest.mark.parametrize(
    ("text", "tls", "bound", "expected"),
    [
        ("false", "verified", True, "insecure"),
        ("No", "verified", False, "verified"),
        ("true", "insecure", True, "verified"),
        ("1", "insecure", False, "verified"),
        ("", "insecure", True, "insecure"),
    ],
)
def test_no_other_server_is_less_verified(
    text: str, tls: str, bound: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`false` is for the server that is meant alone; `true` for each."""
    from xnatsync.app.environment import adjusted
    from xnatsync.config.model import ServerConfig

    monkeypatch.setenv("XNAT_VERIFY_SSL", text)

    assert adjusted(ServerConfig(url="https://x.example.org", tls=tls), is_bound=bound).tls == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "times"), [("43200", (600, 43200)), ("5", (5, 5)), ("10m", (600, 600)), ("", (60, 3600))]
)
def test_a_timeout(text: str, times: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds or a duration; an ordinary request never waits for half a day."""
    from xnatsync.app.environment import adjusted
    from xnatsync.config.model import ServerConfig

    monkeypatch.setenv("XNAT_TIMEOUT", text)
    found = adjusted(ServerConfig(url="https://x.example.org"), is_bound=False)

    assert (found.timeout, found.long_timeout) == times


@pytest.mark.parametrize("text", ["0", "-5", "soon", "1e9", "nan", "inf"])
def test_a_timeout_that_is_none_is_refused(text: str, far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the variable."""
    monkeypatch.setenv("XNAT_URL", far.server.url)
    set_account(monkeypatch)
    monkeypatch.setenv("XNAT_TIMEOUT", text)

    ran = far.run("whoami")

    assert (ran.code, "XNAT_TIMEOUT" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("source", "works"),
    [("environment", True), ("file", False), ("keyring", False), ("prompt", False), ("cached", False)],
)
def test_one_place_of_the_password(source: str, works: bool, far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """`password_source`: no other place is looked at, and the error names that one."""
    path = far.root / "config" / "xnatsync" / "xnatsync.toml"
    path.parent.mkdir(parents=True)
    text = f'[servers.prod]\nurl = "{far.server.url}"\nuser = "{USER}"\npassword_source = "{source}"\n'
    path.write_text(text)
    monkeypatch.setenv("XNATSYNC_PROD_PASSWORD", PASSWORD)

    ran = far.run("whoami")

    assert ran.code == (0 if works else 6), ran.err
    assert works or f'`password_source = "{source}"`' in " ".join(ran.err.split())


# --- the public client ---------------------------------------------------------------------------------------------


def test_a_client_with_a_session_token(far: NounWorld) -> None:
    """It works without a password, says whose session it is, ends it not, and shows it nowhere."""
    token = far.site.logins.open(USER, far.site.clock()).id

    with XNATClient(far.server.url, session_token=token) as client:
        assert client.whoami() == USER
        for shown in (repr(client), repr(client.server), repr(client.low.login)):
            assert token not in shown

    assert far.site.logins.find(token, far.site.clock(), 1e6) is not None


def test_a_client_with_a_dead_token(far: NounWorld) -> None:
    """An error of its kind without a password, a new session with one, which is ended."""
    with XNATClient(far.server.url, session_token="dead") as client, pytest.raises(AuthenticationError):
        client.whoami()
    with XNATClient(far.server.url, USER, PASSWORD, session_token="dead") as client:
        assert client.whoami() == USER

    assert len(far.site.logins.of(USER, far.site.clock(), 1e6)) == 0


def test_two_processes_renew_one_session(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second takes the one that the first has kept meanwhile."""
    from xnatsync.app.kept_sessions import SessionStore

    monkeypatch.setenv("XNAT_URL", far.server.url)
    set_account(monkeypatch)
    far.run("auth", "login")
    store = SessionStore(far.server.url, USER)
    found = store.find()
    assert found is not None
    far.site.logins.close(found.ticket.session)

    with XNATClient.from_profile() as one, XNATClient.from_profile() as two:
        assert (one.whoami(), two.whoami()) == (USER, USER)

    assert len(far.site.logins.of(USER, far.site.clock(), 1e6)) == 1
    again = store.find()
    assert again is not None
    assert json.dumps(again.ticket.session) != json.dumps(found.ticket.session)


def test_a_route_begins_with_the_session_that_is_kept(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` and `sync` need no password then; without a session they say what is missing."""
    drop = far.root / "drop"
    drop.mkdir()
    configure(far, box=far.server.url)
    path = far.root / "config" / "xnatsync" / "xnatsync.toml"
    route = f'[routes.in]\nkind = "drop"\nfolder = "{drop}"\nserver = "box"\nproject = "NEUROIMAGING"\n'
    path.write_text(path.read_text() + route + f'[ledger]\npath = "{far.root / "ledger.db"}"\n')
    assert far.run("doctor").code == 6
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    assert far.run("auth", "login", "-p", "box", "--username", USER, "--password-stdin").code == 0

    ran = far.run("doctor", "-o", "json")

    assert ran.code == 0, ran.out
    assert len(far.site.logins.of(USER, far.site.clock(), 1e6)) == 1


@pytest.mark.parametrize("source", ["cached", "environment", "prompt"])
def test_a_login_may_be_given_the_password_whatever_its_place(
    source: str, far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`password_source` is where commands look; who logs in by hand says the password."""
    path = far.root / "config" / "xnatsync" / "xnatsync.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[servers.box]\nurl = "{far.server.url}"\nuser = "{USER}"\npassword_source = "{source}"\n')
    assert "--password-stdin" in far.run("auth", "login").err
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))

    assert far.run("auth", "login", "--password-stdin").code == 0
    assert far.run("whoami", "-o", "json").document["auth_mode"] == "cached"
