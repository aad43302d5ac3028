"""The file by which a manager of services knows the agent: written, removed, and told apart from somebody else's.

A file of ours carries a digest of itself: one that was edited is not ours any more, and is left as it is.  Nothing is
started or stopped here: the commands for that are told.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xnatsync.app.service_unit import CREDENTIALS, HOMES, Manager, Scope, Setup, log_of, text_of
from xnatsync.core.errors import Declined, DiskRefused, PlaceTaken, Usage

if TYPE_CHECKING:
    from xnatsync.config.model import Config, ServerConfig

State = Literal["absent", "ours", "edited", "foreign"]
_MARK = "written by xnatsync service install; sha256"
_MARKED = re.compile(rf"^.*{re.escape(_MARK)} ([0-9a-f]{{64}}).*\n", re.MULTILINE)
_TEXT_MAX = 1 << 20  # bytes
_SYSTEMD = Path("/run/systemd/system")  # is there where systemd is process 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; None: what is usual on this machine."""

    manager: Manager | None = None
    scope: Scope | None = None
    name: str = "xnatsync"
    account: str | None = None
    folder: Path | None = None  # for the file; None: where its manager looks for it


@dataclass(frozen=True, slots=True)
class Standing:
    """A file, how it stands, and what a person has to do."""

    setup: Setup
    path: Path
    text: str  # what would be written now, with its mark
    state: State  # of what lies there
    is_current: bool  # exactly `text` lies there
    is_enabled: bool  # the manager starts it with the machine; only systemd's is known
    begins: tuple[str, ...]  # commands that put it in force, in their order
    ends: tuple[str, ...]  # commands that stop the service, and have it started no more
    notes: tuple[str, ...]  # what keeps it from working as it stands


def standing(config: Config, config_file: Path | None, wanted: Wanted) -> Standing:
    """Say what would be written where, and what lies there."""
    setup = _setup(config, config_file, wanted)
    path = (wanted.folder or _folder(setup)) / _file_name(setup)
    text = marked(text_of(setup))
    found = _read(path)
    return Standing(
        setup, path, text, state_of(found), found == text, is_enabled(path),
        tuple(_begins(setup, path)), _ends(setup), tuple(_notes(config, setup)),
    )  # fmt: skip


def install(seen: Standing, *, force: bool) -> bool:
    """Write the file; False when exactly this lies there.  PlaceTaken where it would cost somebody what lies there."""
    from xnatsync.app.named_files import refuse_taken
    from xnatsync.disk import atomic, drafts
    from xnatsync.disk.failures import our_disk

    if seen.is_current:
        return False
    _refuse_others(seen, force=force)
    refuse_taken([seen.path], force=True)
    try:
        atomic.make_folder(seen.path.parent)
        drafts.write(seen.path, seen.text.encode(), replace=os.path.lexists(seen.path), mode=0o644)
    except PermissionError as error:
        raise DiskRefused(f"{seen.path} cannot be written: {error.strerror}", advice=_AS_ROOT) from None
    except OSError as error:
        raise our_disk(error, f"writing {seen.path}") from error
    return True


def uninstall(seen: Standing, *, force: bool) -> bool:
    """Remove the file; False when none lies there.  Declined while it would be started again."""
    from xnatsync.app.named_files import refuse_taken

    if seen.state == "absent":
        return False
    _refuse_others(seen, force=force)
    refuse_taken([seen.path], force=True)
    if seen.is_enabled and not force:
        raise Declined(f"{seen.path} is enabled", advice=f"`{seen.ends[0]}` comes first, or give --force.")
    try:
        seen.path.unlink()
    except OSError as error:
        raise DiskRefused(f"{seen.path} cannot be removed: {error.strerror}", advice=_AS_ROOT) from None
    return True


_AS_ROOT = "Give the command again as root (`sudo`), or with --user."


def _refuse_others(seen: Standing, *, force: bool) -> None:
    why = {"foreign": "is not from `xnatsync service install`", "edited": "was edited since it was written"}
    if seen.state in why and not force:
        raise PlaceTaken(
            f"{seen.path} {why[seen.state]}: it was left as it is",
            advice="--force replaces it. What is to be changed beside it belongs into a drop-in "
            f"(`systemctl edit {seen.setup.name}`), which is never touched.",
        )


# --- what lies there ---------------------------------------------------------------------------------------------


def marked(text: str) -> str:
    """Return a text with a line that carries the digest of the rest, as a comment of its kind."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    if text.startswith("<?xml"):
        head, _, rest = text.partition("\n")
        return f"{head}\n<!-- {_MARK} {digest} -->\n{rest}"
    if text.startswith("@echo off\r\n"):
        return text.replace("\r\n", f"\r\nrem {_MARK} {digest}\r\n", 1)
    return f"# {_MARK} {digest}\n{text}"


def state_of(text: str | None) -> State:
    """Tell whose a file is by its text; None: none is there."""
    if text is None:
        return "absent"
    found = _MARKED.search(text)
    if found is None:
        return "foreign"
    rest = text[: found.start()] + text[found.end() :]
    return "ours" if hashlib.sha256(rest.encode("utf-8", "surrogateescape")).hexdigest() == found[1] else "edited"


def _read(path: Path) -> str | None:
    """Return the text of a plain file, "" of what is none, None where there is nothing."""
    if not os.path.lexists(path):
        return None
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _TEXT_MAX:
        return ""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def is_enabled(path: Path) -> bool:
    """Return whether a target of systemd wants this unit: it would be started with the machine, or the login."""
    return any(link.is_symlink() for link in path.parent.glob(f"*.wants/{path.name}"))


# --- what it is made of ------------------------------------------------------------------------------------------


def _setup(config: Config, config_file: Path | None, wanted: Wanted) -> Setup:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", wanted.name):
        raise Usage("a service's name is made of A-Z a-z 0-9 _ -")
    if wanted.account is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}", wanted.account):
        raise Usage("an account's name is made of A-Z a-z 0-9 _ . -")
    manager = wanted.manager or {"darwin": "launchd", "win32": "windows"}.get(sys.platform, "systemd")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    scope = wanted.scope or ("system" if is_root or manager == "windows" else "user")
    if scope == "user" and wanted.account is not None:
        raise Usage("a user's service runs as that user: --account is for --system")
    writes = _writes(config)
    program = program_of(Path(sys.executable))
    needs = [Path(program[0]), config.ledger.path, *writes, *([config_file] if config_file is not None else [])]
    return Setup(
        manager=manager, scope=scope, program=program, name=wanted.name, config=config_file,  # type: ignore[arg-type]
        account=wanted.account or "xnatsync", writes=writes,
        is_at_home=any(path.is_relative_to(home) for path in needs for home in HOMES),
        credentials=_credentials(config, wanted.name) if scope == "system" else {},
    )  # fmt: skip


def program_of(python: Path) -> tuple[str, ...]:
    """Return what starts the program: its own script beside Python, or Python with the package."""
    script = python.with_name("xnatsync.exe" if os.name == "nt" else "xnatsync")
    return (str(script),) if os.access(script, os.X_OK) else (str(python), "-m", "xnatsync")


def _writes(config: Config) -> tuple[Path, ...]:
    """List the folders that the agent writes in, each once, without those that lie in another of them."""
    done = [route.done_folder for route in config.drop_routes.values()]
    metrics = [config.agent.metrics_file.parent] if config.agent.metrics_file is not None else []
    found = sorted({config.ledger.path.parent, *config.folders.values(), *done, *metrics})
    return tuple(path for path in found if not any(path != top and path.is_relative_to(top) for top in found))


def _credentials(config: Config, name: str) -> Mapping[str, Path]:
    """Return what systemd is to load: the files of secrets that lie in the folder of this unit's credentials."""
    folder = Path(f"/run/credentials/{name}.service")
    named = [server.password_file for server in config.servers.values()]
    named += [*(target.url_file for target in config.notify.values()), config.agent.heartbeat_file]
    files = [file for file in named if file is not None]
    return {file.name: CREDENTIALS / file.name for file in sorted(files) if file.parent == folder}


def _folder(setup: Setup) -> Path:
    """Return where the manager looks for it."""
    if setup.manager == "systemd":
        system, user = Path("/etc/systemd/system"), Path.home() / ".config" / "systemd" / "user"
    elif setup.manager == "launchd":
        system, user = Path("/Library/LaunchDaemons"), Path.home() / "Library" / "LaunchAgents"
    else:
        system = user = Path.cwd()
    return system if setup.scope == "system" else user


def _file_name(setup: Setup) -> str:
    ends = {"systemd": ".service", "launchd": ".plist", "windows": "-service.cmd"}
    return setup.label + ends[setup.manager]


# --- what a person has to do -------------------------------------------------------------------------------------


def _begins(setup: Setup, path: Path) -> Iterator[str]:
    """The commands that put the file in force."""
    if setup.manager == "launchd":
        yield shlex.join(["mkdir", "-p", str(log_of(setup).parent)])
        yield f"launchctl bootstrap {_domain(setup)} {shlex.quote(str(path))}"
    elif setup.manager == "windows":
        yield f'"{path}"'
    else:
        if setup.scope == "system" and not _is_account(setup.account):
            yield f"useradd --system --home-dir /var/lib/xnatsync --shell /usr/sbin/nologin {setup.account}"
        yield f"{_control(setup)} daemon-reload"
        yield f"{_control(setup)} enable --now {setup.name}"
        if setup.scope == "user":  # else it ends with the last login
            yield f"loginctl enable-linger {shlex.quote(getpass.getuser())}"


def _ends(setup: Setup) -> tuple[str, ...]:
    """The commands that stop the service, and have it started no more."""
    if setup.manager == "launchd":
        return (f"launchctl bootout {_domain(setup)}/{setup.label}",)
    if setup.manager == "windows":
        return (f"sc stop {setup.name}", f"sc delete {setup.name}")
    return (f"{_control(setup)} disable --now {setup.name}", f"{_control(setup)} daemon-reload")


def _control(setup: Setup) -> str:
    return "systemctl" if setup.scope == "system" else "systemctl --user"


def _domain(setup: Setup) -> str:
    return "system" if setup.scope == "system" else "gui/$(id -u)"


def _is_account(name: str) -> bool:
    try:
        import pwd
    except ImportError:
        return True
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _notes(config: Config, setup: Setup) -> Iterator[str]:
    """Say what will not work, or was not tried."""
    if setup.manager == "systemd" and not _SYSTEMD.is_dir():
        yield (
            "systemd does not run this machine: the unit is of use only on one where it does. Here, let what "
            "supervises processes start `xnatsync run`, and restart it unless it ends with exit code 0, 2, 7 or 8"
        )
    if setup.manager != "systemd":
        yield f"the file for {setup.manager} was never tried by us: see the manual"
    if setup.manager == "windows" and shutil.which("shawl") is None:
        yield "the wrapper Shawl (shawl.exe) is not in the PATH; the file needs it"
    for path in [path for path in (*setup.writes, setup.config) if path is not None]:
        if setup.manager == "systemd" and setup.scope == "system" and path.is_relative_to("/tmp"):  # noqa: S108
            yield f"{path} is in /tmp, and the service has its own /tmp: it will not find it"
    if setup.manager == "systemd" and setup.scope == "system" and setup.is_at_home:
        yield f"the program, the configuration, the ledger or a folder is in a home: {setup.account} needs access to it"
    for name, server in config.servers.items():
        yield from _about_password(name, server, setup)


def _about_password(name: str, server: ServerConfig, setup: Setup) -> Iterator[str]:
    """Say how the password of a server reaches the service, where it does not."""
    file = CREDENTIALS / f"{name}.password"
    remedy = (
        f'put it into {file} (mode 0600, of root), and set password_source = "file" and '
        f'password_file = "/run/credentials/{setup.name}.service/{file.name}" in [servers.{name}]'
        if setup.manager == "systemd" and setup.scope == "system"
        else f"put it into a file with mode 0600, and name that as password_file in [servers.{name}]"
    )
    source, place = server.password_source, server.password_file
    loaded = setup.credentials.get(place.name) if place is not None else None
    if source in {"prompt", "cached"}:
        yield f'server {name}: password_source = "{source}" asks a person, and a service has none: {remedy}'
    elif source == "keyring" and setup.scope == "system":
        yield f"server {name}: the keyring of a person is not open to a service of the system: {remedy}"
    elif place is None and source != "keyring":
        yield f"server {name}: what is in the environment of this shell does not reach the service: {remedy}"
    elif loaded is not None and not loaded.exists():
        yield f"server {name}: {loaded} is not there: `install -m 0600 /dev/stdin {loaded}` takes the password"
    elif place is not None and loaded is None and not place.exists():
        yield f"server {name}: {place} is not there"
