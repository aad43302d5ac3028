"""What a manager of services is told about the agent, held to the program and to the manager's own tools."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.test_advice import parser as _parser
from xnatsync.app.service_unit import LEFT_ALONE, Setup, text_of, unit_word
from xnatsync.core.errors import Exit, Usage

parser = cache(_parser)
ROOT = Path(__file__).parents[2]
SYSTEM = Setup(
    "systemd", "system", ("/usr/local/bin/xnatsync",), config=Path("/etc/xnatsync/xnatsync.toml"),
    writes=(Path("/srv/incoming"),), credentials={"prod.password": Path("/etc/xnatsync/prod.password")},
)  # fmt: skip
USER = Setup("systemd", "user", ("/usr/local/bin/xnatsync",))
SHIPPED = {"systemd/xnatsync.service": SYSTEM, "systemd/user/xnatsync.service": USER}
ANALYZE = shutil.which("systemd-analyze")
SCORE_MAX = {"system": 2.0, "user": 6.5}  # a user's manager may not set up most of a sandbox

KNOWN = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec", "StartLimitBurst"},
    "Service": {
        *("Type", "NotifyAccess", "User", "ExecStart", "ExecReload", "Restart", "RestartSec", "UMask", "Environment"),
        *("RestartPreventExitStatus", "TimeoutStartSec", "TimeoutStopSec", "WatchdogSec", "WorkingDirectory", "Nice"),
        *("IOSchedulingClass", "IOSchedulingPriority", "StateDirectory", "StateDirectoryMode", "LoadCredential"),
        *("NoNewPrivileges", "LockPersonality", "MemoryDenyWriteExecute", "RestrictAddressFamilies", "RemoveIPC"),
        *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures", "KeyringMode"),
        *("SystemCallFilter", "SystemCallErrorNumber", "CapabilityBoundingSet", "AmbientCapabilities", "DevicePolicy"),
        *("PrivateDevices", "PrivateTmp", "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectSystem"),
        *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProtectHome"),
        "ReadWritePaths",
    },
    "Install": {"WantedBy"},
}
AVOIDED = {"ProcSubset", "PrivateUsers", "PrivateNetwork"}  # they would hide limits of inotify, file owners, servers


def settings(text: str) -> Iterator[tuple[str, str, str]]:
    """Section, key and value of each line of a unit."""
    section = ""
    for line in text.splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1]
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield section, key, value


def words_of(value: str) -> list[str]:
    """A line of a unit as systemd splits it (systemd.syntax(7), systemd.service(5), systemd.unit(5))."""
    found = []
    for quoted, plain in re.findall(r'"((?:\\.|[^"\\])*)"|(\S+)', value):
        word = re.sub(r"\\(.)", r"\1", quoted or plain)
        found.append(word.replace("%%", "%").replace("$$", "$"))
    return found


def unit_faults(text: str) -> list[str]:
    """What of a unit systemd, or the program, would not understand."""
    found, program = [], parser()
    for section, key, value in settings(text):
        if key not in KNOWN.get(section, set()) or key in AVOIDED:
            found.append(f"[{section}] {key} is not known")
        if key in {"ExecStart", "ExecReload"} and "xnatsync" in value:
            words = words_of(value)
            try:
                program(args=words[1:], prog_name="xnatsync", standalone_mode=False)
            except Exception as error:
                found.append(f"{value}: {error!r}")
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_the_units_of_this_repository_are_what_the_program_writes(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == text_of(SHIPPED[name])


@pytest.mark.parametrize("setup", SHIPPED.values(), ids=SHIPPED)
def test_each_setting_is_known_and_each_command_is_understood(setup: Setup) -> None:
    assert unit_faults(text_of(setup)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("run --log journal", "run --journal"), ("run --check-config", "run --check"), ("Restart=", "Restarts="),
     ("ProtectProc=", "ProcSubset="), ("Type=notify", "Tipe=notify")],
)  # fmt: skip
def test_a_unit_that_the_program_would_not_understand_is_found(old: str, new: str) -> None:
    assert unit_faults(text_of(SYSTEM).replace(old, new))


def test_what_a_restart_does_not_mend_starts_nothing_again() -> None:
    """The codes are the program's; every manager that knows codes is told of them."""
    assert set(LEFT_ALONE) == {Exit.OK, Exit.USAGE, Exit.HALTED, Exit.LOCKED}
    assert "RestartPreventExitStatus=2 7 8\n" in text_of(SYSTEM)
    assert "--restart-if-not 0,2,7,8 " in text_of(replace(SYSTEM, manager="windows"))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], include_characters=" "), min_size=1))
def test_a_word_comes_back_as_it_was(word: str) -> None:
    """Spaces, quotes, backslashes, specifiers and variables."""
    assert words_of(unit_word(f"/{word}")) == [f"/{word}"]


@pytest.mark.parametrize("manager", ["systemd", "launchd", "windows"])
def test_a_path_with_a_line_break_is_refused(manager: str) -> None:
    """It would be a setting of its own."""
    with pytest.raises(Usage, match="line break"):
        text_of(replace(SYSTEM, manager=manager, writes=(Path("/srv/a\nExecStart=/bin/sh"),)))  # type: ignore[arg-type]


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("scope", ["system", "user"])
def test_systemd_itself_has_nothing_to_say(scope: str, tmp_path: Path) -> None:
    """`verify` is silent with paths that need quoting, and the sandbox has its score."""
    setup = SYSTEM if scope == "system" else USER
    odd = tmp_path / 'a "b" %h $HOME'
    setup = replace(setup, program=(sys.executable, "-m", "xnatsync"), account="daemon", config=odd, writes=(odd,))
    unit = tmp_path / "xnatsync.service"
    unit.write_text(text_of(setup), encoding="utf-8")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}

    checked = analyze("verify", f"--{scope}", str(unit), environment=environment)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    scored = analyze("security", "--offline=true", str(unit), environment=environment)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", scored.stdout)
    assert found is not None, scored.stdout + scored.stderr
    assert float(found[1]) <= SCORE_MAX[scope]

    unit.write_text(text_of(setup).replace("Restart=on-failure", "Restart=sometimes"), encoding="utf-8")
    broken = analyze("verify", f"--{scope}", str(unit), environment=environment)
    assert "sometimes" in broken.stdout + broken.stderr


def analyze(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, timeout=60, env=environment, check=False)


def test_launchd_reads_the_list_that_is_written() -> None:
    """The command is understood, and it is started again only after a failure."""
    told = plistlib.loads(text_of(replace(SYSTEM, manager="launchd")).encode())
    parser()(args=told["ProgramArguments"][1:], prog_name="xnatsync", standalone_mode=False)

    assert (told["Label"], told["UserName"]) == ("org.xnatsync.xnatsync", "xnatsync")
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["ExitTimeOut"] >= 100


def test_the_script_for_windows_names_shawl_and_a_command_that_is_understood() -> None:
    """Options of Shawl 1.x; a per cent sign of a path is none of a variable."""
    setup = replace(SYSTEM, manager="windows", config=Path("C:/100% mine/x.toml"))
    text = text_of(setup)
    (line,) = [line for line in text.split("\r\n") if line.startswith("shawl add ")]
    options, _, command = line.partition(" -- ")
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command.replace("%%", "%"))]
    parser()(args=words[1:], prog_name="xnatsync", standalone_mode=False)

    assert "C:/100% mine/x.toml" in words
    shawl = {"--name", "--stop-timeout", "--restart-if-not", "--pass", "--log-dir"}
    assert set(re.findall(r"--[a-z-]+", options)) == shawl
    assert text.count("\n") == text.count("\r\n")
