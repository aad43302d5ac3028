"""Takes servers over from a configuration of xnatctl; no password is copied, and nothing of ours is changed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xnatsync.app.environment import ORDINARY_MOST_S, wait
from xnatsync.app.profiles import put_server, use
from xnatsync.config.load import load
from xnatsync.config.model import Config, ServerConfig
from xnatsync.config.words import duration
from xnatsync.core.errors import ConfigError

USUAL = Path("~/.config/xnatctl/config.yaml")
_MOST_BYTES = 1 << 20
_TAKEN = {"url", "username", "password", "default_project", "verify_ssl", "ca_bundle", "timeout", "password_source"}
_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Taken:
    """A profile of xnatctl as a server of ours; `values` are its keys."""

    profile: str
    name: str
    values: Mapping[str, str]
    state: str  # "new", "present", "refused"
    notes: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)

    @property
    def user(self) -> str:
        """Return whose password it is."""
        return self.values.get("user", "")


@dataclass(frozen=True, slots=True)
class Import:
    """What is taken over, and the server that becomes the default; "" where it stays as it is."""

    source: Path
    servers: tuple[Taken, ...]
    default: str


def read(source: Path, ours: Path) -> Import:
    """Read a configuration of xnatctl; ConfigError where it is none.  Nothing is written."""
    whole = _document(source)
    config = load(ours) if ours.exists() else Config()
    profiles = whole.get("profiles")
    if not isinstance(profiles, dict) or not profiles:
        raise ConfigError(f"{source} has no `profiles`", advice="Name the config.yaml of xnatctl.")
    taken, names = [], set[str]()
    for profile, table in profiles.items():
        name = _NAME.sub("-", str(profile))
        if name in names:
            taken.append(Taken(str(profile), name, {}, "refused", (f"another profile is called {name} here too",)))
            continue
        names.add(name)
        taken.append(_taken(str(profile), name, table, config))
    chosen = _NAME.sub("-", str(whole.get("default_profile") or "default"))
    usable = {one.name for one in taken if one.state != "refused"}
    default = chosen if chosen in usable and config.defaults.server is None else ""
    return Import(source, tuple(taken), default)


def write(planned: Import, ours: Path) -> None:
    """Write what is new into our configuration."""
    for one in planned.servers:
        if one.state == "new":
            put_server(ours, one.name, one.values)
    if planned.default:
        use(ours, planned.default)


def _document(source: Path) -> Mapping[str, Any]:
    try:
        raw = source.expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{source} cannot be read: {error.strerror or type(error).__name__}",
            advice="Name the file: `xnatsync config import-xnatctl config.yaml`.",
        ) from error
    yaml = importlib.import_module("yaml")  # it is needed here alone
    try:
        found = yaml.safe_load(raw) if len(raw) <= _MOST_BYTES else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # its text would quote what may be a password
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{source}{where} is not YAML", advice="Correct the file.") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{source} is not a configuration of xnatctl", advice="Name its config.yaml.")
    return found


def _taken(profile: str, name: str, table: object, config: Config) -> Taken:
    """Turn a profile into a server; what cannot be taken is said, without any value that may be a secret."""
    if not isinstance(table, dict):
        return Taken(profile, name, {}, "refused", ("it is not a table of keys",))
    try:
        values = _values(table)
        server = ServerConfig.model_validate(values)
    except (ValueError, ConfigError) as error:
        words = str(error) if isinstance(error, ConfigError) else _words(error)
        return Taken(profile, name, {}, "refused", (words,))
    password = table.get("password")
    notes = [f"called {name} here"] if name != profile else []
    if left := sorted(str(key) for key in table if key not in _TAKEN):
        notes.append(f"not taken: {', '.join(left)}")
    if table.get("password_source") == "keyring":
        notes.append("its password is in the keyring under the name of xnatctl")
    there = config.servers.get(name)
    if there is not None:
        same = there.base_url == server.base_url
        notes.append("it exists here already" if same else "a server of this name exists here, with another address")
        return Taken(profile, name, values, "present" if same else "refused", tuple(notes))
    return Taken(profile, name, values, "new", tuple(notes), str(password) if password else None)


def _values(table: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, ours in (("url", "url"), ("username", "user"), ("default_project", "project")):
        value = table.get(key)
        if value is not None and value != "":
            found[ours] = str(value) if isinstance(value, str | int) else ""
    match table.get("verify_ssl", True):
        case True | "true" | "True" | "yes":
            pass
        case False | "false" | "False" | "no":
            found["tls"] = "insecure"
        case _:
            raise ConfigError("`verify_ssl` is neither true nor false")
    if bundle := table.get("ca_bundle"):
        found["ca_file"] = str(Path(str(bundle)).expanduser().absolute())
    if (limit := table.get("timeout")) is not None:
        wait_s = wait("timeout", str(limit))
        found |= {"timeout": duration(min(wait_s, ORDINARY_MOST_S)), "long_timeout": duration(wait_s)}
    return found


def _words(error: ValueError) -> str:
    """Return which keys are wrong, and why."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return "it cannot be read"
    found = errors(include_url=False, include_input=False)
    return "; ".join(f"{one['loc'][0]}: {str(one['msg']).removeprefix('Value error, ')}" for one in found)
