"""Passwords: where they come from, in which order, and that nothing ever shows them."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.config.model import ServerConfig
from xnatsync.config.secrets import Credentials, credentials, variable
from xnatsync.core.encoding import wide_encoding
from xnatsync.core.errors import CredentialsMissing, Exit

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
URL = "https://xnat.example.org"


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this machine's environment nor its keyring may decide a test."""
    for name in list(os.environ):
        if name.startswith("XNATSYNC_"):
            monkeypatch.delenv(name)
    install(monkeypatch, None)


def install(monkeypatch: pytest.MonkeyPatch, get_password: Callable[[str, str], object] | None) -> None:
    """Puts a keyring in place, as the package `keyring` offers one; None: the package is not installed."""
    if get_password is None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        monkeypatch.setitem(sys.modules, "keyring.errors", None)
        return
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = KeyringBroken  # type: ignore[attr-defined]
    package = types.ModuleType("keyring")
    package.get_password, package.errors = get_password, errors  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


class KeyringBroken(Exception):
    """What a locked keyring raises."""


def server(**facts: object) -> ServerConfig:
    return ServerConfig.model_validate({"url": URL, "user": "agent", **facts})


def secret_file(folder: Path, content: bytes = b"from file\n", mode: int = 0o600) -> str:
    path = folder / "password"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("prod", "XNATSYNC_PROD_PASSWORD"), ("my-xnat", "XNATSYNC_MY_XNAT_PASSWORD"), ("A1_b", "XNATSYNC_A1_B_PASSWORD")],
)
def test_the_variable_of_a_server(name: str, expected: str) -> None:
    """The server's name in capitals, `_` for everything but letters and digits."""
    assert variable(name, "PASSWORD") == expected


def test_the_environment_wins_over_the_file_and_the_file_over_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that the manual states."""
    install(monkeypatch, lambda service, user: "from keyring")
    with_file = server(password_file=secret_file(tmp_path))
    monkeypatch.setenv("XNATSYNC_PROD_PASSWORD", "from environment")
    monkeypatch.setenv("XNATSYNC_PROD_USER", "other")

    found = credentials("prod", with_file)
    assert (found.user, found.password, found.source) == ("other", "from environment", "environment")

    monkeypatch.delenv("XNATSYNC_PROD_PASSWORD")
    found = credentials("prod", with_file)
    assert (found.user, found.password, found.source) == ("other", "from file", "password_file")

    assert credentials("prod", server()).password == "from keyring"


def test_another_servers_variables_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server has its own."""
    monkeypatch.setenv("XNATSYNC_PROD_PASSWORD", "secret")

    with pytest.raises(CredentialsMissing):
        credentials("staging", server())


def test_the_keyring_is_asked_under_the_servers_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed URL never gets the password that was stored for another one."""
    asked: list[tuple[str, str]] = []

    def get_password(service: str, user: str) -> str | None:
        asked.append((service, user))
        return "secret" if service == f"xnatsync:{URL}" else None

    install(monkeypatch, get_password)

    assert credentials("prod", server(url=f"{URL}/")).source == "keyring"
    with pytest.raises(CredentialsMissing):
        credentials("prod", server(url="https://evil.example.org"))
    assert asked == [(f"xnatsync:{URL}", "agent"), ("xnatsync:https://evil.example.org", "agent")]


def test_a_broken_keyring_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told like a missing one, and not as a trace."""

    def locked(service: str, user: str) -> str:
        raise KeyringBroken("locked: agent:hunter2")

    install(monkeypatch, locked)

    with pytest.raises(CredentialsMissing) as caught:
        credentials("prod", server())
    assert "hunter2" not in str(caught.value)


def test_what_is_missing_is_told_with_every_way_to_give_it() -> None:
    """The remedy can be typed as it is."""
    with pytest.raises(CredentialsMissing) as caught:
        credentials("my-xnat", server())

    assert caught.value.exit_code == Exit.DENIED
    assert "not installed" in str(caught.value)
    for way in ("XNATSYNC_MY_XNAT_PASSWORD", "password_file", f"keyring set xnatsync:{URL} agent"):
        assert way in caught.value.remedy


@pytest.mark.parametrize("value", [None, ""])
def test_no_user_is_told(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Nobody is taken for a user."""
    if value is not None:
        monkeypatch.setenv("XNATSYNC_PROD_USER", value)

    with pytest.raises(CredentialsMissing, match="no user") as caught:
        credentials("prod", server(user=None))
    assert "XNATSYNC_PROD_USER" in caught.value.remedy


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unset secret of a CI system is an empty text, not an empty password."""
    monkeypatch.setenv("XNATSYNC_PROD_PASSWORD", "")

    with pytest.raises(CredentialsMissing):
        credentials("prod", server())


# --- the file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b" spaces kept \n", " spaces kept "),
        ("pässwörd 日本\n".encode(), "pässwörd 日本"),
    ],
)
def test_one_line_is_the_password(tmp_path: Path, content: bytes, password: str) -> None:
    """Without its line end, and with everything else."""
    assert credentials("prod", server(password_file=secret_file(tmp_path, content))).password == password


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"hunter2\nmore\n", b"hunter2\n\n", b"hunt\xffer2", b"\x00hunter2", b"hunter2\t", b"hunter2" * 1000],
)
def test_anything_but_one_line_of_text_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    """A wrong file must not be sent to a server as a password, nor shown."""
    with pytest.raises(CredentialsMissing, match="one line") as caught:
        credentials("prod", server(password_file=secret_file(tmp_path, content)))

    assert "hunter2" not in f"{caught.value!s} {caught.value.remedy} {caught.value.__cause__!r}"


@POSIX
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o660, 0o777, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it."""
    path = secret_file(tmp_path, mode=mode)

    with pytest.raises(CredentialsMissing, match=f"mode {mode:04o}") as caught:
        credentials("prod", server(password_file=path))

    assert caught.value.remedy == f"chmod 600 {path}"


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_our_own_is_taken(tmp_path: Path, mode: int) -> None:
    """0600 or stricter."""
    assert credentials("prod", server(password_file=secret_file(tmp_path, mode=mode))).password == "from file"


@POSIX
@pytest.mark.parametrize(("mode", "taken"), [(0o440, True), (0o400, True), (0o444, False), (0o460, False)])
def test_systemds_access_list_is_not_taken_for_a_right_of_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, taken: bool
) -> None:
    """`LoadCredential=` files show mode 0440 and are open to the service alone; anywhere else 0440 is refused."""
    path = secret_file(tmp_path, mode=mode)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    if taken:
        assert credentials("prod", server(password_file=path)).password == "from file"
    else:
        with pytest.raises(CredentialsMissing, match=f"mode {mode:04o}"):
            credentials("prod", server(password_file=path))


@POSIX
@pytest.mark.parametrize("folder", ["", "/run/credentials/other.service"])
def test_another_services_credentials_excuse_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Only the folder that systemd made for this process counts."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)

    with pytest.raises(CredentialsMissing, match="mode 0440"):
        credentials("prod", server(password_file=secret_file(tmp_path, mode=0o440)))


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, kind: str) -> None:
    """A configured file that fails is an error, never a reason to look elsewhere."""
    path = tmp_path / "missing" if kind == "missing" else tmp_path

    with pytest.raises(CredentialsMissing, match="cannot be read"):
        credentials("prod", server(password_file=str(path)))


# --- never shown -------------------------------------------------------------------------------------------------


def test_nothing_that_is_printed_shows_the_password() -> None:
    """S8: neither `repr` nor `str` nor a format."""
    secret = Credentials(URL, "agent", "hunter2", "environment")

    assert "hunter2" not in f"{secret!r} {secret!s} {secret} {[secret]}"
    assert "agent" in repr(secret)


@pytest.mark.skipif(sys.platform != "linux", reason="shown with the real package on one system")
def test_the_real_package_is_spoken_to_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With `keyring` installed and a backend that fails, there is no password and no trace."""
    monkeypatch.undo()
    for name in ("XNATSYNC_PROD_USER", "XNATSYNC_PROD_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    keyring = pytest.importorskip("keyring")
    fail = pytest.importorskip("keyring.backends.fail")
    former = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    try:
        with pytest.raises(CredentialsMissing, match="nor in the keyring"):
            credentials("prod", server())
    finally:
        keyring.set_keyring(former)


def test_a_real_keyring_gives_a_password_to_its_own_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the package's own interface: stored for one URL, it is not sent to another, nor for another user."""
    monkeypatch.undo()
    for name in ("XNATSYNC_PROD_USER", "XNATSYNC_PROD_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    keyring = pytest.importorskip("keyring")
    backend = pytest.importorskip("keyring.backend")
    kept: dict[tuple[str, str], str] = {}

    class Memory(backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 1.0

        def get_password(self, service: str, username: str) -> str | None:
            return kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            kept[service, username] = password

    former = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        keyring.set_password(f"xnatsync:{URL}", "agent", "stored")

        found = credentials("prod", server(url=f"{URL}/"))

        assert (found.url, found.user, found.password, found.source) == (URL, "agent", "stored", "keyring")
        for facts in ({"url": "https://elsewhere.example.org"}, {"user": "other"}, {"url": f"{URL}:8443"}):
            with pytest.raises(CredentialsMissing):
                credentials("prod", server(**facts))
    finally:
        keyring.set_keyring(former)


def test_a_byte_order_mark_is_no_part_of_the_password(tmp_path: Path) -> None:
    """Some editors put one before the text; nobody sees it, and the server would refuse the password with it."""
    path = tmp_path / "password"
    path.write_bytes(b"\xef\xbb\xbfs3cret\r\n")
    path.chmod(0o600)

    found = credentials("prod", ServerConfig(url="https://xnat.example.org", user="u", password_file=path))

    assert found.password == "s3cret"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("s3cret\r\n".encode("utf-16"), "UTF-16"),  # what PowerShell's `>` writes
        (b"\xfe\xff" + "s3cret\n".encode("utf-16-be"), "UTF-16"),
        ("s3cret".encode("utf-16-le"), "UTF-16"),
        ("s3cret\n".encode("utf-16-be"), "UTF-16"),
        ("s3cret\n".encode("utf-32"), "UTF-32"),
        ("gehe\u00eem\n".encode("latin-1"), "not a text in UTF-8"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"s3cret\ns3cret\n", "several lines"),
        (b"s3cret\tx\n", "a tab"),
        (b"s3cret" * 1000, "longer than"),
    ],
)
def test_what_is_wrong_with_a_password_file_is_named(raw: bytes, said: str, tmp_path: Path) -> None:
    """Its encoding, its lines, its length; and nothing of what is in it."""
    path = tmp_path / "password"
    path.write_bytes(raw)
    path.chmod(0o600)

    with pytest.raises(CredentialsMissing) as caught:
        credentials("prod", ServerConfig(url="https://xnat.example.org", user="u", password_file=path))

    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value) + caught.value.remedy
    assert ("UTF-8" in caught.value.remedy) == ("UTF-" in said)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_text_that_windows_writes_is_known_by_its_encoding(encoding: str, text: str) -> None:
    """With its mark and without; what is UTF-8 is never taken for another."""
    assert (wide_encoding(text.encode(encoding)) or "").startswith("UTF-")
    assert wide_encoding(text.encode()) is None
    assert wide_encoding(text.encode("utf-8-sig")) is None
