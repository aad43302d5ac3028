"""A first configuration: one server, and a route if one is wished, written whole and never over another file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xnatsync.app.accounts import ASKED
from xnatsync.app.ping import located
from xnatsync.app.profile import choose, connected
from xnatsync.app.sign_in import log_in
from xnatsync.config.load import load
from xnatsync.core.errors import ConfigError, ReplyStrange, Usage, XnatsyncError
from xnatsync.core.pasting import Calling
from xnatsync.disk.failures import our_disk

Kind = Literal["drop", "mirror", "push"]
_WHAT = {
    "drop": ("what is dropped here goes to XNAT, is proven there, and is filed below `done`", "scanner"),
    "mirror": ("the project is kept here, as it is on XNAT", "nightly"),
    "push": ("files of these resources go from here to XNAT", "results"),
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a first configuration says; "" is left out, and without a folder there is no route."""

    name: str
    url: str
    user: str = ""
    project: str = ""
    folder: str = ""
    kind: Kind = "drop"
    resource: str = "RESULTS"


@dataclass(frozen=True, slots=True)
class Begun:
    """The file that was written, and what its server said: None when no password is there yet."""

    file: Path
    known_as: str | None
    problem: XnatsyncError | None
    is_kept: bool = False  # the session of this login


def begin(file: Path, wishes: Wishes, calling: Calling | None = None, *, login: bool | None = None) -> Begun:
    """Write a first configuration, and try it; ConfigError when there is a file already, or it would not be valid.

    The commands in its comments mean this file, as `calling` says.  `login` keeps the session; None: where a person was
    asked for the password.
    """
    if wishes.folder and not wishes.project:
        raise Usage("--folder needs a project", advice="Give --project, or leave out --folder: then there is no route.")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{file} is there already; it was not changed",
            advice="`xnatsync config add-profile NAME` adds a server to it; another file is named with `--config`.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror or type(error).__name__}",
            advice="Name another with `--config`.",
        ) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text_of(wishes, calling or Calling()))
        load(file)
    except (ConfigError, OSError) as error:
        file.unlink()  # ours alone: it was made above
        if isinstance(error, OSError):
            raise our_disk(error, f"writing {file}") from error
        raise
    return _tried(file, wishes, login)


def _tried(file: Path, wishes: Wishes, login: bool | None) -> Begun:
    """Log in with what was written; what is wrong is said, and the file stays."""
    try:
        chosen = choose(file, wishes.name, by_password=bool(login))
        if login or (login is None and chosen.login.source == ASKED):
            return Begun(file, log_in(chosen), None, is_kept=True)
        with connected(chosen) as server:
            return Begun(file, server.whoami(), None)
    except ReplyStrange as error:
        return Begun(file, None, located(error, load(file).servers[wishes.name]))
    except XnatsyncError as error:
        return Begun(file, None, error)


def text_of(wishes: Wishes, calling: Calling) -> str:
    """Return the configuration, with a comment for whoever reads it next."""
    check = _comment(calling.line(["config", "check"]))
    return f"""# Written by `xnatsync config init`; `{check}` checks it. Every key: docs/configuration.md.
# The ledger, which holds the receipts, is at its usual place; [ledger] path = "..." names another, on a local disk.

[servers.{wishes.name}]
{_pairs(url=wishes.url, user=wishes.user, project="" if wishes.folder else wishes.project)}\
# The password is never in this file: it comes from XNATSYNC_{_variable(wishes.name)}_PASSWORD, from a file of mode 0600
# (password_file = "..."), or from the keyring.
{_route(wishes) if wishes.folder else ""}"""


def _route(wishes: Wishes) -> str:
    words, route = _WHAT[wishes.kind]
    resources = f"resources = [{_quoted(wishes.resource)}]\n" if wishes.kind == "push" else ""
    pairs = _pairs(kind=wishes.kind, folder=wishes.folder, server=wishes.name, project=wishes.project)
    return f"\n# {words[:1].upper()}{words[1:]}.\n[routes.{route}]\n{pairs}{resources}"


def _pairs(**values: str) -> str:
    return "".join(f"{key} = {_quoted(value)}\n" for key, value in values.items() if value)


def _comment(text: str) -> str:
    """Return a text for a comment: TOML takes no control characters there."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _quoted(text: str) -> str:
    """Return a basic string of TOML, which is written as one of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _variable(name: str) -> str:
    from xnatsync.config.secrets import variable

    return variable(name, "PASSWORD").removeprefix("XNATSYNC_").removesuffix("_PASSWORD")
