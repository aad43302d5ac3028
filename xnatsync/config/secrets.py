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
    """A user and a password for one server; `repr` shows neither the password nor its length."""

    url: str
    user: str
    password: str = field(repr=False)
    source: str = ""


def variable(server_name: str, what: str) -> str:
    """Name the environment variable of a server: `XNATSYNC_<SERVER>_PASSWORD`."""
    return f"XNATSYNC_{re.sub(r'[^A-Za-z0-9]', '_', server_name).upper()}_{what}"


def credentials(server_name: str, server: ServerConfig) -> Credentials:
    """Find user and password of a server; CredentialsMissing names every place that was looked at."""
    user = os.environ.get(variable(server_name, "USER")) or server.user
    if not user:
        raise CredentialsMissing(
            f"no user is configured for server {server_name}",
            advice=f"Set `user` in [servers.{server_name}], or {variable(server_name, 'USER')}.",
        )
    if password := os.environ.get(variable(server_name, "PASSWORD")):
        return Credentials(server.base_url, user, password, "environment")
    if server.password_file is not None:
        return Credentials(server.base_url, user, _from_file(server.password_file), "password_file")
    if password := stored(server.base_url, user):
        return Credentials(server.base_url, user, password, "keyring")
    raise CredentialsMissing(
        f"no password was found for server {server_name}: neither in the environment, nor a `password_file`, "
        f"nor in the keyring{_keyring_state()}",
        advice=(
            f"Set {variable(server_name, 'PASSWORD')}, or `password_file` (mode 0600) in [servers.{server_name}], "
            f"or store it with `{shlex.join(['keyring', 'set', f'xnatsync:{server.base_url}', user])}`."
        ),
    )


def _from_file(path: Path) -> str:
    """Read a file with one line; an editor's byte order mark is no part of it.

    What is examined is what is read, and no error repeats any of it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CredentialsMissing(
            f"the password file {path} cannot be read: {error.strerror or type(error).__name__}",
            advice="Correct `password_file`, or let this account own the file.",
        ) from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & _closed_to(path):
        raise CredentialsMissing(
            f"the password file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
            advice=shlex.join(["chmod", "600", str(path)]),
        )
    if (words := _wrong(raw)) is not None:
        what, remedy = words
        raise CredentialsMissing(
            f"the password file {path} must hold the password in one line of text, and nothing else: {what}",
            advice=remedy,
        )
    return raw.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")


def _wrong(raw: bytes) -> tuple[str, str] | None:
    """Say what is wrong with the content of a password file, and what to do; nothing of it is told."""
    plain = "Write the password into it, without a comment or a user's name."
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


def _keyring() -> Any:
    try:
        importlib.import_module("keyring.errors")
        return importlib.import_module("keyring")
    except ImportError:
        return None


def _keyring_state() -> str:
    return "" if _keyring() is not None else " (the package `keyring` is not installed)"
