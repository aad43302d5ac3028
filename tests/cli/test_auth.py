"""`auth login|logout|status|test`: a session is kept for one address and user, and where nobody else can read it."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_fields import document_faults
from cli_world import REPOSITORY
from front import front
from noun_world import PASSWORD, USER, NounWorld, here
from xnatsync.app.kept_sessions import SessionStore
from xnatsync.disk.private import PrivateFolder


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    """A server, whose address, user and password are in the environment."""
    with here(tmp_path, capsys, monkeypatch) as found:
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield found


def folder(far: NounWorld) -> Path:
    return far.root / "state" / "xnatsync" / "sessions"


def kept(far: NounWorld) -> Path:
    """The one file of the one session."""
    (found,) = folder(far).iterdir()
    return found


def session_of(far: NounWorld) -> str:
    return str(json.loads(kept(far).read_text())["session"])


def asked(far: NounWorld) -> list[str]:
    """What the server was asked since the last time."""
    lines = [f"{entry['method']} {entry['path']}" for entry in far.server.log]
    far.server.log.clear()
    return lines


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


# --- one login for many commands -----------------------------------------------------------------------------------


def test_a_session_is_kept_and_used_by_every_command(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One login; later commands need no password, open no session, and end none."""
    ran = far.run("auth", "login", "-o", "json")
    assert (ran.code, document_faults(ran.document)) == (0, []), ran.err
    assert ran.document["username"] == USER
    monkeypatch.delenv("XNAT_PASS")
    asked(far)

    told = [far.run("whoami", "-o", "json").document, far.run("auth", "test", "-o", "json").document]
    listed = far.rows("project", "list")

    assert [document_faults(one) for one in told] == [[], []]
    assert [one["auth_mode"] for one in told] == ["cached", "cached"]
    assert [one["id"] for one in listed] == ["NEUROIMAGING"]
    assert not [line for line in asked(far) if "JSESSION" in line]
    assert far.server.site.logins.find(session_of(far), far.site.clock(), 1e6) is not None


def test_what_is_kept_is_of_this_account_alone(far: NounWorld) -> None:
    """Folder 0700, file 0600; the session is nowhere in what is printed, logged, or shown of an object."""
    old = os.umask(0)
    try:
        ran = far.run("auth", "login", "--log-file", str(far.root / "log"), "-v")
    finally:
        os.umask(old)
    session = session_of(far)
    shown = far.run("auth", "status", "--log-file", str(far.root / "log"), "-o", "json")

    assert stat.S_IMODE(kept(far).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder(far).stat().st_mode) == 0o700
    assert document_faults(shown.document) == []
    assert shown.document["sessions"][0]["username"] == USER
    found = SessionStore(far.server.url, USER, PrivateFolder(folder(far))).find()
    assert found is not None
    for text in (ran.out, ran.err, shown.out, shown.err, (far.root / "log").read_text(), repr(found)):
        assert session not in text
        assert PASSWORD not in text


def test_a_dead_session_is_renewed_where_a_password_is_known(far: NounWorld) -> None:
    """The server has ended it: one login, which is kept instead."""
    far.run("auth", "login")
    before = session_of(far)
    far.site.logins.close(before)
    asked(far)

    assert far.rows("project", "list")
    first, logins = session_of(far), asked(far).count("POST /data/JSESSION")
    assert far.rows("project", "list")

    assert first != before
    assert (logins, asked(far).count("POST /data/JSESSION")) == (1, 0)


def test_a_dead_session_without_a_password_is_said(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 6 with what to type; the file is removed."""
    far.run("auth", "login")
    far.site.logins.close(session_of(far))
    monkeypatch.delenv("XNAT_PASS")

    ran = far.run("project", "list", "-o", "json")

    assert (ran.code, ran.out) == (6, "")
    assert "xnatsync auth login" in ran.err
    assert list(folder(far).iterdir()) == []


def test_a_session_of_another_user_is_not_used(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is asked for is who is meant; and the answer of the server is believed, not the file."""
    far.site.accounts.add("other", "words")
    far.run("auth", "login")
    stranger = far.site.logins.open("other", far.site.clock())
    raw = json.loads(kept(far).read_text())
    raw |= {"session": stranger.id, "cookie": f"JSESSIONID={stranger.id}"}
    kept(far).write_text(json.dumps(raw))

    assert far.run("whoami", "-o", "json").document["username"] == USER
    monkeypatch.setenv("XNAT_USER", "other")
    monkeypatch.delenv("XNAT_PASS")
    assert far.run("whoami").code == 6


def test_a_new_login_ends_the_old_session(far: NounWorld) -> None:
    """Sessions do not pile up at the server."""
    far.run("auth", "login")
    first = session_of(far)
    far.run("auth", "login")

    assert far.site.logins.find(first, far.site.clock(), 1e6) is None
    assert far.site.logins.find(session_of(far), far.site.clock(), 1e6) is not None


# --- logout and status ---------------------------------------------------------------------------------------------


def test_logout_ends_it_there_and_here(far: NounWorld) -> None:
    """The server no longer knows it, and no file is left; a second one finds nothing."""
    far.run("auth", "login")
    session = session_of(far)

    ran = far.run("auth", "logout", "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, [])
    assert ran.document["sessions"] == [{"server": far.server.url, "username": USER, "ended": True, "problem": None}]
    assert far.site.logins.find(session, far.site.clock(), 1e6) is None
    assert list(folder(far).iterdir()) == []
    assert far.run("auth", "logout", "-o", "json").document["sessions"] == []


def test_logout_removes_it_also_where_the_server_does_not_answer(far: NounWorld) -> None:
    """What is here is removed; that the server was not told is said, and is no success."""
    far.run("auth", "login")
    far.server.stop()

    ran = far.run("auth", "logout", "--all", "-o", "json")

    assert (ran.code, ran.document["sessions"][0]["ended"]) == (5, False)
    assert list(folder(far).iterdir()) == []


def test_status_asks_nobody(far: NounWorld) -> None:
    """Whose, where, how old; also when the server is off."""
    assert "no session is kept" in far.run("auth", "status").out
    far.run("auth", "login")
    asked(far)

    assert f"{USER} at {far.server.url}: logged in 0 s ago" in far.run("auth", "status").out
    assert asked(far) == []
    assert far.run("auth", "status", "-o", "csv").out.splitlines()[0] == (
        "server,profile,username,created_at,used_at,age_s,problem"
    )


# --- what is not trusted -------------------------------------------------------------------------------------------


def _wider(file: Path) -> None:
    file.chmod(0o644)


def _group(file: Path) -> None:
    file.chmod(0o660)


def _open_folder(file: Path) -> None:
    file.parent.chmod(0o755)


def _link(file: Path) -> None:
    file.rename(file.parent.parent / "moved")
    file.symlink_to(file.parent.parent / "moved")


def _linked_folder(file: Path) -> None:
    file.parent.rename(file.parent.parent / "moved")
    file.parent.symlink_to(file.parent.parent / "moved")


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
@pytest.mark.parametrize("change", [_wider, _group, _open_folder, _link, _linked_folder, _folder])
def test_what_others_can_have_read_or_made_is_refused(
    change: object, far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a password it is warned of and not used; without one it is the error, and nothing was sent."""
    far.run("auth", "login")
    session = session_of(far)
    change(kept(far))  # type: ignore[operator]
    asked(far)

    warned = far.run("whoami")
    assert (warned.code, warned.err.count("warning: the kept session is not used")) == (0, 1), warned.err
    assert "POST /data/JSESSION" in asked(far)
    monkeypatch.delenv("XNAT_PASS")
    ran = far.run("whoami", "-o", "json")

    sent = [request for request in asked(far) if request != "DELETE /data/JSESSION"]  # the last command's farewell
    assert (ran.code, sent) == (6, [])
    assert "is not used" in ran.document["error"]["message"]
    assert session not in ran.out + ran.err


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"\xff\xfe", b"null", b"{}", b"[" * 5000,
        {"url": "https://other.example.org"}, {"user": "other"}, {"session": "x\r\nEvil: 1"}, {"session": 5},
        {"cookie": "JSESSIONID=other"}, {"cookie": "a=b\r\nEvil: 1"}, {"created": float("inf")}, {"version": 2},
        {"known_as": None}, {"cookie": "x" * 20000},
    ],
)  # fmt: skip
def test_what_is_no_session_of_this_address_is_removed(content: object, far: NounWorld) -> None:
    """Tampered, damaged, of another address: never sent, and gone afterwards; the command logs in as ever."""
    far.run("auth", "login")
    whole = json.loads(kept(far).read_text())
    raw = content if isinstance(content, bytes) else json.dumps(whole | dict(content)).encode()  # type: ignore[call-overload]
    kept(far).write_bytes(raw)
    asked(far)

    assert far.run("whoami").code == 0

    assert "POST /data/JSESSION" in asked(far)
    assert list(folder(far).iterdir()) == []


def test_a_session_is_never_sent_to_another_address(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a changed configuration, and not by a file that was given the name of the other address."""
    far.run("auth", "login")
    session = session_of(far)
    with front(far.server.port) as other:
        monkeypatch.setenv("XNAT_URL", other.url)
        assert far.run("whoami").code == 0
        theirs = SessionStore(other.url, USER, PrivateFolder(folder(far)))
        kept(far).rename(folder(far) / theirs._name)
        assert far.run("whoami").code == 0

        assert other.seen
        assert not [line for line in other.seen if session in "".join(line)]
    assert list(folder(far).iterdir()) == []


def test_an_old_session_is_not_even_asked_about(far: NounWorld) -> None:
    """A day unused."""
    far.run("auth", "login")
    session = session_of(far)
    os.utime(kept(far), (1.0, kept(far).stat().st_mtime - 25 * 3600))

    assert far.run("whoami").code == 0
    assert list(folder(far).iterdir()) == []
    assert session


def test_something_else_in_its_place_is_left_unchanged(far: NounWorld, tmp_path: Path) -> None:
    """`auth login` writes through no link, and over no folder; the session that was opened is ended."""
    far.run("auth", "login")
    place = kept(far)
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    place.unlink()
    place.symlink_to(victim)
    before = len(far.site.logins.of(USER, far.site.clock(), 1e6))

    ran = far.run("auth", "login")

    assert (ran.code, "[XS-CONFIG]" in ran.err) == (2, True), ran.err
    assert (place.is_symlink(), victim.read_text()) == (True, "theirs")
    assert len(far.site.logins.of(USER, far.site.clock(), 1e6)) == before


def test_a_linked_folder_is_neither_read_nor_emptied(far: NounWorld, tmp_path: Path) -> None:
    """What is behind the link is somebody's: `auth logout --all` removes nothing there."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    for name in ("letter.txt", f"{'0' * 32}.json"):
        (theirs / name).write_text("{}")
    folder(far).parent.mkdir(parents=True)
    folder(far).symlink_to(theirs)

    ran = far.run("auth", "logout", "--all", "-o", "json")

    assert (ran.code, ran.document["sessions"]) == (0, [])
    assert len(list(theirs.iterdir())) == 2


def test_only_what_is_named_as_a_session_is_removed(far: NounWorld) -> None:
    """Also by `--all`: a file of another name, a folder and a link stay."""
    far.run("auth", "login")
    (folder(far) / "letter.txt").write_text("theirs")
    (folder(far) / f"{'0' * 32}.json").mkdir()
    (folder(far) / f"{'1' * 32}.json").symlink_to(folder(far) / "letter.txt")
    (folder(far) / f"{'2' * 32}.json").write_text("damaged")

    ran = far.run("auth", "logout", "--all", "-o", "json")

    assert (ran.code, len(ran.document["sessions"])) == (0, 1)
    assert sorted(path.name for path in folder(far).iterdir()) == [f"{'0' * 32}.json", f"{'1' * 32}.json", "letter.txt"]


# --- the password --------------------------------------------------------------------------------------------------


def test_a_password_from_stdin(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line; a blank at its end belongs to it."""
    far.site.accounts.add("second", "a word ")
    stdin(monkeypatch, "a word \nmore\n")

    ran = far.run("auth", "login", "--username", "second", "--password-stdin", "-q")

    assert (ran.code, ran.out) == (0, "second\n")
    stdin(monkeypatch, "\n")
    assert far.run("auth", "login", "--password-stdin").code == 2


def test_a_password_of_the_environment_is_of_its_own_user(far: NounWorld) -> None:
    """`--username` of another user does not send it."""
    far.site.accounts.add("second", PASSWORD)
    asked(far)

    assert far.run("auth", "login", "--username", "second").code == 6
    assert asked(far) == []


def test_a_wrong_password_keeps_nothing(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 6; a session that is kept for this account is no way around it."""
    far.run("auth", "login")
    stdin(monkeypatch, "wrong\n")
    before = session_of(far)

    ran = far.run("auth", "login", "--password-stdin")

    assert (ran.code, "[XS-AUTH-REFUSED]" in ran.err) == (6, True)
    assert session_of(far) == before


def test_a_password_among_the_arguments_is_warned_of(far: NounWorld) -> None:
    """Accepted, as scripts do it; and said what is wrong with it."""
    ran = far.run("auth", "login", "--password", PASSWORD)

    assert ran.code == 0
    assert "--password-stdin" in ran.err
    assert PASSWORD not in ran.out + ran.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone says where arguments are")
@pytest.mark.parametrize("form", [["--password", "s3cret"], ["--password=s3cret"], ["-x", "s3cret", "s3cretary"]])
def test_a_password_is_gone_from_the_list_of_processes(form: list[str]) -> None:
    """What `ps` shows of a process no longer has it; other arguments stay."""
    words = "import xnatsync.cli.passwords as p; print(p.hide('s3cret')); print(open('/proc/self/cmdline').read())"

    done = subprocess.run(
        [sys.executable, "-c", words, *form, "end"], capture_output=True, text=True, timeout=60, cwd=REPOSITORY
    )

    hidden, shown = done.stdout.split("\n", 1)
    assert hidden == "True", done.stderr
    arguments = shown.strip("\n\0").split("\0")[3:]
    assert arguments == [
        word.replace("=s3cret", "=xxxxxx") if word != "s3cret" else "xxxxxx" for word in [*form, "end"]
    ]


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_a_server_below_a_path(slash: str, far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """`/xnat` belongs to the address; a slash at its end does not matter, also not for a session that is kept."""
    with front(far.server.port, "/xnat") as there:
        monkeypatch.setenv("XNAT_URL", there.url)
        assert far.run("auth", "login").code == 0
        monkeypatch.setenv("XNAT_URL", there.url + slash)
        monkeypatch.delenv("XNAT_PASS")

        told = far.run("whoami", "-o", "json").document

        assert (told["username"], told["auth_mode"], told["server"]) == (USER, "cached", there.url)


def test_a_missing_path_is_not_called_a_wrong_password(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no XNAT at that address, and where one answers is said; the password goes to the address alone."""
    with front(far.server.port, "/xnat") as there:
        monkeypatch.setenv("XNAT_URL", there.url.removesuffix("/xnat"))
        ran = far.run("auth", "login")

    assert (ran.code, "[XS-AUTH-REFUSED]" in ran.err) == (5, False), ran.err
    words = " ".join(ran.err.split())
    assert "there is no XNAT at this address" in words
    assert "/xnat" in words


def test_a_path_too_much(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same the other way round."""
    monkeypatch.setenv("XNAT_URL", far.server.url + "/app/template")

    ran = far.run("auth", "test")

    assert "there is no XNAT at this address" in ran.err
    assert "password" not in ran.err.split("what to do")[0]


def test_a_cookie_for_https_alone_works_where_the_server_takes_it(
    far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session travels in a header of ours, whatever a browser would do."""
    with front(far.server.port, marks_secure=True) as there:
        monkeypatch.setenv("XNAT_URL", there.url)

        assert far.run("whoami").code == 0


def test_a_cookie_for_https_alone_that_is_dropped_is_said(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a wrong password, and no temporary trouble: the address has to be https."""
    with front(far.server.port, marks_secure=True, drops_secure=True) as there:
        monkeypatch.setenv("XNAT_URL", there.url)
        ran = far.run("auth", "login")

    assert (ran.code, "[XS-AUTH-REFUSED]" in ran.err) == (2, False), ran.err
    assert "Secure" in ran.err
    assert "https://" in ran.err
    assert not folder(far).exists()
