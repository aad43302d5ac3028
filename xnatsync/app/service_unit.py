"""What a manager of services is told about the agent: a unit of systemd, a list of launchd, a script for Shawl.

Each is made of a `Setup` alone, so that the files in `systemd/` are what the program writes.
"""

from __future__ import annotations

import plistlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xnatsync.core.errors import Usage

Manager = Literal["systemd", "launchd", "windows"]
Scope = Literal["system", "user"]

LEFT_ALONE = (0, 2, 7, 8)  # exit codes after which it is not started again: no restart mends what they mean
STATE = Path("/var/lib/xnatsync")  # what `StateDirectory=` gives the system's unit
CREDENTIALS = Path("/etc/xnatsync")  # where `LoadCredential=` takes them from
STOP_S = 150  # a stop may take so long; the agent asks for more while something goes forward
WATCHDOG_S = 120
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))  # what `ProtectHome=` hides

_SANDBOX = """\
NoNewPrivileges=true
LockPersonality=true
MemoryDenyWriteExecute=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
"""
_SANDBOX_OF_SYSTEM = """\
CapabilityBoundingSet=
AmbientCapabilities=
DevicePolicy=closed
KeyringMode=private
PrivateDevices=true
PrivateTmp=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=true
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """How the agent is to run as a service."""

    manager: Manager
    scope: Scope
    program: tuple[str, ...]  # what starts it, before `run`
    name: str = "xnatsync"
    config: Path | None = None  # None: the one in the usual place of that account
    account: str = "xnatsync"  # of the system's service; the user's runs as that user
    writes: tuple[Path, ...] = ()  # folders that it writes in
    is_at_home: bool = False  # something that it needs lies in somebody's home
    credentials: Mapping[str, Path] = field(default_factory=dict)  # what `LoadCredential=` loads: its name, its file

    @property
    def command(self) -> tuple[str, ...]:
        """Return the words that every command of the service begins with."""
        return (*self.program, *(("--config", str(self.config)) if self.config is not None else ()))

    @property
    def label(self) -> str:
        """Return what the service is called by its manager."""
        return f"org.xnatsync.{self.name}" if self.manager == "launchd" else self.name


def text_of(setup: Setup) -> str:
    """Return what the manager of services reads."""
    for word in (*setup.command, *map(str, setup.writes), *map(str, setup.credentials.values())):
        if re.search(r"[\x00-\x1f\x7f]", word):
            raise Usage("a path holds a line break or another control character, which no unit can name")
    makers = {"systemd": _systemd, "launchd": _launchd, "windows": _windows}
    return makers[setup.manager](setup)


# --- systemd -----------------------------------------------------------------------------------------------------


def unit_word(text: str) -> str:
    """Write a word as a unit reads it back: specifiers, variables, quotes and spaces stand for themselves."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./$-]+", escaped) else f'"{escaped}"'


def unit_path(before: str, path: Path) -> str:
    """Write a path of a setting that knows no variables: there `$` is a plain character."""
    return unit_word(before + str(path)).replace("$$", "$")


def _systemd(setup: Setup) -> str:
    """The unit; the system's has an account and a sandbox that only the system's manager can set up."""
    is_system = setup.scope == "system"
    start = " ".join(map(unit_word, setup.command))
    lines = [
        "[Unit]",
        "Description=xnatsync, the sync agent for XNAT",
        "Wants=network-online.target",
        "After=network-online.target local-fs.target remote-fs.target",
        "StartLimitIntervalSec=10min",
        "StartLimitBurst=5",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        *([f"User={setup.account}"] if is_system else []),
        f"ExecStart={start} run --log journal",
        f"ExecReload={start} run --check-config",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=on-failure",
        "RestartSec=10s",
        f"RestartPreventExitStatus={' '.join(str(code) for code in LEFT_ALONE if code)}",
        "TimeoutStartSec=120s",
        f"TimeoutStopSec={STOP_S}s",
        f"WatchdogSec={WATCHDOG_S}s",
        *(_places(setup) if is_system else []),
        "Nice=5",
        "IOSchedulingClass=best-effort",
        "IOSchedulingPriority=6",
        "",
        *_SANDBOX.splitlines(),
        *([*_SANDBOX_OF_SYSTEM.splitlines(), *_reach(setup)] if is_system else []),
        "",
        "[Install]",
        f"WantedBy={'multi-user' if is_system else 'default'}.target",
    ]
    return "\n".join(lines) + "\n"


def _places(setup: Setup) -> Iterator[str]:
    yield "StateDirectory=xnatsync"
    yield "StateDirectoryMode=0700"
    yield "WorkingDirectory=%S/xnatsync"
    yield "Environment=XDG_DATA_HOME=%S XDG_STATE_HOME=%S"
    for name, file in setup.credentials.items():
        yield f"LoadCredential={unit_path(f'{name}:', file)}"


def _reach(setup: Setup) -> Iterator[str]:
    """What of the disk it sees and may write; `-`: a drive that is away at the start does not keep it from starting."""
    yield f"ProtectHome={'read-only' if setup.is_at_home else 'true'}"
    for folder in setup.writes:
        if not folder.is_relative_to(STATE):
            yield f"ReadWritePaths={unit_path('-', folder)}"


# --- others ------------------------------------------------------------------------------------------------------


def log_of(setup: Setup) -> Path:
    """Return the file that the agent logs to under launchd."""
    logs = Path("/Library/Logs") if setup.scope == "system" else Path.home() / "Library" / "Logs"
    return logs / "xnatsync" / f"{setup.name}.log"


def _launchd(setup: Setup) -> str:
    """The list of a daemon, or of a user's agent.  launchd knows no exit codes: it starts again what failed."""
    log = log_of(setup)
    told: dict[str, object] = {
        "Label": setup.label,
        "ProgramArguments": [*setup.command, "run", "--log", str(log)],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 60,
        "ExitTimeOut": STOP_S,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardErrorPath": str(log.with_suffix(".err")),
    }
    if setup.scope == "system":
        told["UserName"] = setup.account
    return plistlib.dumps(told, sort_keys=False).decode()


def _windows(setup: Setup) -> str:
    """A script that makes a service with Shawl, which stops it as Ctrl-C does, and keeps what it writes to stderr."""
    codes = ",".join(map(str, LEFT_ALONE))
    options = f"--name {setup.name} --stop-timeout {STOP_S * 1000} --restart-if-not {codes} --pass 0"
    command = subprocess.list2cmdline([*setup.command, "run", "--log", "stderr"]).replace("%", "%%")
    lines = [
        "@echo off",
        f'shawl add {options} --log-dir "%ProgramData%\\xnatsync\\logs" -- {command}',
        "if errorlevel 1 exit /b 1",
        f"sc config {setup.name} start= delayed-auto",
        f"sc failure {setup.name} reset= 600 actions= restart/60000",
        f"sc start {setup.name}",
    ]
    return "\r\n".join(lines) + "\r\n"
