"""Reading the configuration: every problem at once, each with its line and what to write instead."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
from pydantic import BaseModel, ValidationError

from xnatsync.config.agent import crossed_jobs
from xnatsync.config.checks import crossed
from xnatsync.config.lines import Key
from xnatsync.config.model import (
    AgentConfig,
    Config,
    DefaultsConfig,
    DropConfig,
    JobConfig,
    LedgerConfig,
    MirrorConfig,
    NotifyConfig,
    PushConfig,
    RouteConfig,
    ServerConfig,
    TransferConfig,
)
from xnatsync.config.notify import crossed_notify
from xnatsync.config.problems import ConfigInvalid, Problem, problem_at, problems_of, suggestion, unknown
from xnatsync.config.selected import NOT_OF_DROPS
from xnatsync.core.encoding import SAVE_AS_UTF8, not_utf8, wide_encoding
from xnatsync.core.errors import ConfigError

__all__ = ["ConfigInvalid", "Problem", "check", "default_path", "load"]

TEXT_MAX = 1 << 20  # characters
_DOTTED = re.compile(r"(?:[A-Za-z0-9_-]{1,64}\.){100}")  # tomllib's time grows with the square of the dots

KINDS = ("drop", "mirror", "push", "transfer")
_KINDS = '"drop", "mirror", "push" or "transfer"'

Part = TypeVar("Part", bound=BaseModel)


def default_path() -> Path:
    """Where the configuration is when nobody says: `XNATSYNC_CONFIG`, else the user's configuration folder."""
    named = os.environ.get("XNATSYNC_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir("xnatsync", appauthor=False)) / "xnatsync.toml"


def load(path: Path) -> Config:
    """Read and checks a file; ConfigInvalid with every problem, ConfigError when it cannot be read."""
    return check(path)[0]


def check(path: Path) -> tuple[Config, tuple[Problem, ...]]:
    """Like `load`, and gives the warnings too."""
    text, data = _read(path)
    reading = _Reading(text)
    config = reading.config(data)
    found = sorted(reading.problems, key=lambda problem: (problem.line, problem.key))
    serious = [problem for problem in found if not problem.warning]
    if serious or config is None:
        raise ConfigInvalid(path, serious)
    return config, tuple(found)


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration file {path}",
            advice="`xnatsync config init` writes one; another is named with `--config FILE` or XNATSYNC_CONFIG.",
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {not_utf8(raw)}", advice=SAVE_AS_UTF8) from error
    if wide_encoding(raw) is not None:  # zeros between the letters are UTF-8, too
        raise ConfigError(f"{path}: {not_utf8(raw)}", advice=SAVE_AS_UTF8)
    if len(text) > TEXT_MAX or _DOTTED.search(text):
        raise ConfigError(f"{path} is longer, or has longer keys, than any configuration")
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line = int(found[1]) if found is not None else text.count("\n") + 1
        raise ConfigInvalid(path, [Problem(line, "the file", f"is not TOML: {error}")]) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        raise ConfigError(f"{path} is no configuration: its numbers are too long, or its lists too deep") from error


class _Reading:
    """Reads part by part, so that what is wrong in one does not hide what is wrong in another."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[Problem] = []

    def config(self, data: Mapping[str, Any]) -> Config | None:
        """Return the whole when every part of it is right in itself."""
        for key in data:
            if key not in Config.model_fields:
                self._say((key,), unknown(key, list(Config.model_fields)))
        ledger = self._part(("ledger",), LedgerConfig, data.get("ledger", {}))
        defaults = self._part(("defaults",), DefaultsConfig, data.get("defaults", {}))
        servers = {name: self._part(key, ServerConfig, table) for name, key, table in self._tables(data, "servers")}
        known = frozenset(servers)
        routes = {name: self._route(key, table, known) for name, key, table in self._tables(data, "routes")}
        agent = self._part(("agent",), AgentConfig, data.get("agent", {}))
        jobs = {name: self._part(key, JobConfig, table) for name, key, table in self._tables(data, "jobs")}
        targets = {name: self._part(key, NotifyConfig, table) for name, key, table in self._tables(data, "notify")}
        notify = {name: target for name, target in targets.items() if target is not None}
        good_jobs = {name: job for name, job in jobs.items() if job is not None}
        good_servers = {name: server for name, server in servers.items() if server is not None}
        good_routes: dict[str, RouteConfig] = {name: route for name, route in routes.items() if route is not None}
        self.problems += crossed(self.text, ledger or LedgerConfig(), good_servers, good_routes)
        self.problems += crossed_jobs(self.text, good_jobs, known, good_routes)
        self.problems += crossed_notify(self.text, notify, {*good_routes, *good_jobs})
        if any(not problem.warning for problem in self.problems):
            return None
        if ledger is None or defaults is None or agent is None:
            return None
        return Config(
            ledger=ledger, defaults=defaults, servers=good_servers, routes=good_routes, agent=agent, jobs=good_jobs,
            notify=notify,
        )  # fmt: skip

    def _tables(self, data: Mapping[str, Any], group: str) -> Iterator[tuple[str, Key, Any]]:
        tables = data.get(group, {})
        if not isinstance(tables, dict):
            self._say((group,), f"write [{group}.NAME]")
            return
        for name, table in tables.items():
            if re.fullmatch(r"[A-Za-z0-9_-]+", name):
                yield name, (group, name), table
            else:
                self._say((group, name), "a name is made of A-Z a-z 0-9 _ -")

    def _route(self, key: Key, table: Any, servers: frozenset[str]) -> RouteConfig | None:
        """Only the kind tells which keys a route has."""
        server = table.get("server") if isinstance(table, dict) else None
        if isinstance(server, str) and server not in servers:
            hint = suggestion(server, sorted(servers)) if servers else ": write a [servers.NAME]"
            self._say((*key, "server"), f"no server is called {server}{hint}")
        kind = table.get("kind") if isinstance(table, dict) else None
        if isinstance(kind, str) and kind not in KINDS:
            self._say((*key, "kind"), f"there is no such kind{suggestion(kind, KINDS)}")
            return None
        if isinstance(table, dict) and not isinstance(kind, str):
            self._say((*key, "kind"), f"must be {_KINDS}" if "kind" in table else "this key is required")
            return None
        if kind == "mirror":
            return self._part(key, MirrorConfig, table)
        if kind == "push":
            return self._part(key, PushConfig, table)
        if kind == "transfer":
            return self._part(key, TransferConfig, table)
        if isinstance(table, dict):
            for name in NOT_OF_DROPS.keys() & table:
                self._say((*key, name), f"means nothing in a drop route: {NOT_OF_DROPS[name]}")
            table = {name: value for name, value in table.items() if name not in NOT_OF_DROPS}
        return self._part(key, DropConfig, table)

    def _part(self, key: Key, model: type[Part], table: Any) -> Part | None:
        if not isinstance(table, dict):
            self._say(key, "must be a table of keys")
            return None
        try:
            return model.model_validate(table)
        except ValidationError as error:
            for problem in problems_of(self.text, key, model, error):
                self.problems.append(problem)
        return None

    def _say(self, key: Key, words: str) -> None:
        self.problems.append(problem_at(self.text, key, words))
