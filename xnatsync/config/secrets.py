"""Passwords: from the environment, a file only its owner can read, or the keyring; bound to a server's URL."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xnatsync.config.model import ServerConfig
from xnatsync.core.encoding import SAVE_AS_UTF8, not_utf8, wide_encoding
from xnatsync.core.errors import CredentialsMissing

MOST_BYTES = 4096  # a longer file is something else


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or a session, for one server; `repr` shows neither of them, nor their length."""

    url: str
    user: str  # "" where only a session is known
    password: str | None = field(repr=False)
    source: str = ""
    token: str | None = field(default=None, repr=False)  # a session that was given
    is_fresh: bool = False  # log in with this very password: no session that is kept is used


def variable(server_name: str, what: str) -> str:
    """Name the environment variable of a server: `XNATSYNC_<SERVER>_PASSWORD`."""
    return f"XNATSYNC_{re.sub(r'[^A-Za-z0-9]', '_', server_name).upper()}_{what}"


def configured_user(server_name: str, server: ServerConfig) -> str | None:
    """Return the account of a server; None where none is configured."""
    return os.environ.get(variable(server_name, "USER")) or server.user


def credentials(server_name: str, server: ServerConfig, user: str | None = None) -> Credentials:
    """Find user and password of a server; CredentialsMissing names every place that was looked at.

    `password_source` of the server leaves one of the places.
    """
    only = server.password_source
    ours = configured_user(server_name, server)
    is_ours = user is None or user == ours
    user = user or ours
    if not user:
        raise CredentialsMissing(
            f"no user is configured for server {server_name}",
            advice=f"Set `user` in [servers.{server_name}], or {variable(server_name, 'USER')}.",
        )
    url = server.base_url
    password = os.environ.get(variable(server_name, "PASSWORD"))
    if only in {None, "environment"} and password and is_ours:  # of another user it is not known
        return Credentials(url, user, password, "environment")
    if only in {None, "file"} and server.password_file is not None and is_ours:
        return Credentials(url, user, secret_line(server.password_file), "password_file")
    if only in {None, "keyring"} and (found := stored(url, user)):
        return Credentials(url, user, found, "keyring")
    raise _missing(server_name, server, user)


def _missing(name: str, server: ServerConfig, user: str) -> CredentialsMissing:
    """Say where no password was, and what to do."""
    kept = shlex.join(["keyring", "set", f"xnatsync:{server.base_url}", user])
    match server.password_source:
        case None:
            return CredentialsMissing(
                f"no password was found for server {name}: neither in the environment, nor a `password_file`, "
                f"nor in the keyring{_keyring_state()}",
                advice=(
                    f"Set {variable(name, 'PASSWORD')}, or `password_file` (mode 0600) in [servers.{name}], "
                    f"or store it with `{kept}`, or log in with `xnatsync auth login`."
                ),
            )
        case "environment":
            where, remedy = "the environment", f"Set {variable(name, 'PASSWORD')}."
        case "file":
            where, remedy = "a `password_file`", f"Set `password_file` (mode 0600) in [servers.{name}]."
        case "keyring":
            where, remedy = f"the keyring{_keyring_state()}", f"Store it with `{kept}`."
        case "prompt":
            where, remedy = "a terminal, and this is not one", "Log in on a terminal: `xnatsync auth login`."
        case "cached":
            where, remedy = "`auth login`, and no session is kept", "Log in: `xnatsync auth login`."
    return CredentialsMissing(
        f'no password was found for server {name}: `password_source = "{server.password_source}"` takes it from '
        f"{where} alone",
        advice=remedy,
    )


def address_of(name: str, url_source: str | None, url_file: Path | None) -> str:
    """Find the address of a target of notifications; CredentialsMissing, which repeats none of it, where none is."""
    named = variable(f"notify_{name}", "URL")
    found = os.environ.get(named)
    if url_source in {None, "environment"} and found:
        return found
    if url_source in {None, "file"} and url_file is not None:
        return secret_line(url_file, "address", "url_file")
    if url_source in {None, "keyring"} and (kept := stored("notify", name)):
        return kept
    raise CredentialsMissing(
        f"no address was found for the target {name}",
        advice=f"Set {named}, or `url_file` (mode 0600) in [notify.{name}], or store it with "
        f"`{shlex.join(['keyring', 'set', 'xnatsync:notify', name])}`.",
    )


def heartbeat_of(address: str | None, file: Path | None) -> str | None:
    """Return the address of the heartbeat; None where none is configured, CredentialsMissing for a file of no use."""
    return secret_line(file, "address", "heartbeat_file") if file is not None else address


def secret_line(path: Path, what: str = "password", key: str = "password_file") -> str:
    """Read a file with one line; an editor's byte order mark is no part of it.

    What is examined is what is read, and no error repeats any of it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CredentialsMissing(
            f"the {what} file {path} cannot be read: {error.strerror or type(error).__name__}",
            advice=f"Correct `{key}`, or let this account own the file.",
        ) from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & _closed_to(path):
        raise CredentialsMissing(
            f"the {what} file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
            advice=shlex.join(["chmod", "600", str(path)]),
        )
    if (words := _wrong(raw, what)) is not None:
        what, remedy = words
        raise CredentialsMissing(
            f"the {what} file {path} must hold the {what} in one line of text, and nothing else: {what}",
            advice=remedy,
        )
    return raw.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")


def _wrong(raw: bytes, what: str) -> tuple[str, str] | None:
    """Say what is wrong with the content of a password file, and what to do; nothing of it is told."""
    plain = f"Write the {what} into it, without a comment or anything else."
    if wide_encoding(raw) is not None:
        return not_utf8(raw), SAVE_AS_UTF8
    try:
        text = raw.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return not_utf8(raw), SAVE_AS_UTF8
    if not text:
        return "it is empty", plain
    if len(raw) > MOST_BYTES:
        return f"it is longer than {MOST_BYTES} bytes", plain
    if "\n" in text or "\r" in text:
        return "it has several lines", plain
    if any(not char.isprintable() for char in text):
        return "it holds a character that cannot be typed, such as a tab", plain
    return None


def _closed_to(path: Path) -> int:
    """Return the permissions that nobody may have.

    systemd lets a service alone into its folder of credentials, by an access list that looks like a right of the group.
    """
    credentials_folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return 0o037 if credentials_folder and path.parent == Path(credentials_folder) else 0o077


def stored(url: str, user: str) -> str | None:
    """Ask the keyring under the server's URL, so that a changed URL never gets another server's password.

    A keyring that is locked or broken has no password for us; the error that follows says that it was asked.
    """
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        found = keyring.get_password(f"xnatsync:{url}", user)
    except keyring.errors.KeyringError:
        return None
    return found if isinstance(found, str) else None


def store(url: str, user: str, password: str) -> None:
    """Store a password in the keyring, where `stored` finds it; CredentialsMissing where none takes it."""
    keyring = _keyring()
    elsewhere = "Write it into a file with mode 0600, and name that file as `password_file` of the server."
    if keyring is None:
        raise CredentialsMissing("the package `keyring` is not installed, so there is no keyring", advice=elsewhere)
    try:
        keyring.set_password(f"xnatsync:{url}", user, password)
        kept = keyring.get_password(f"xnatsync:{url}", user)
    except (keyring.errors.KeyringError, RuntimeError) as error:
        raise CredentialsMissing(
            f"the keyring of this account does not take a password ({type(error).__name__})", advice=elsewhere
        ) from None
    if kept != password:  # a keyring that is switched off takes everything and keeps nothing
        raise CredentialsMissing("the keyring of this account keeps no password", advice=elsewhere)


def _keyring() -> Any:
    try:
        importlib.import_module("keyring.errors")
        return importlib.import_module("keyring")
    except ImportError:
        return None


def _keyring_state() -> str:
    return "" if _keyring() is not None else " (the package `keyring` is not installed)"
