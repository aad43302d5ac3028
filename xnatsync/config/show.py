"""The configuration as it takes effect: every default visible, no secret in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xnatsync.config.agent import AgentConfig
from xnatsync.config.model import Config, DropConfig, RouteConfig
from xnatsync.config.selected import SelectionConfig
from xnatsync.config.transfers import FOLDER
from xnatsync.config.words import duration, size
from xnatsync.core.errors import RouteUnknown

_DURATIONS = {
    *("settle", "settle_min", "wait_for_missing", "max_wait", "quiet", "timeout", "long_timeout", "trash_keep"),
    *("keep_done", "recheck", "retry_delay", "rescan", "poll", "grace", "remind", "quiet_for"),
}
_BESIDE = {"quiet_for", "marker", "receipt_page"}  # says nothing of what is delivered, or how
_SIZES = {"big_file", "keep_free"}


def as_dict(config: Config) -> dict[str, Any]:
    """Return the effective configuration as plain data, durations as words."""
    data = config.model_dump() | {"routes": {name: _effective(route) for name, route in config.routes.items()}}
    shown: dict[str, Any] = _plain(data)
    return shown


def of_server(config: Config, name: str) -> Config:
    """Return what concerns one server: its table, and the routes that use it; RouteUnknown where there is none."""
    if name not in config.servers:
        known = ", ".join(sorted(config.servers)) or "none"
        raise RouteUnknown(f"no server is called {name}; configured: {known}")
    routes = {route: one for route, one in config.routes.items() if name in config.servers_of([route])}
    return config.model_copy(update={"servers": {name: config.servers[name]}, "routes": routes})


def as_toml(config: Config) -> str:
    """Return the effective configuration as TOML that can be loaded again."""
    data = as_dict(config)
    lines = _table("ledger", data["ledger"])
    if config.agent != AgentConfig():
        lines += _table("agent", data["agent"])
    if data["defaults"]:
        lines += _table("defaults", data["defaults"])
    for group in ("servers", "routes", "jobs", "notify"):
        for name, table in data[group].items():
            lines += _table(f"{group}.{name}", table)
    return "\n".join(lines).strip() + "\n"


def route_digest(route: RouteConfig) -> str:
    """Digest a route's settings as they take effect: a change of it releases what is held for a person."""
    settings = {key: value for key, value in _plain(_effective(route)).items() if key not in _BESIDE}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _effective(route: RouteConfig) -> dict[str, Any]:
    data = route.model_dump()
    data |= {key: data.pop(key) for key in SelectionConfig.model_fields if key in data}  # last: few have any
    if not isinstance(route, DropConfig):
        return {key: value for key, value in data.items() if value != FOLDER}  # `folder` says it
    settle_min = route.settle_min if route.settle_min is not None else route.settle
    return data | {"done": route.done_folder, "verify": route.level, "settle_min": settle_min}


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(part, name) for name, part in value.items() if part is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    if key in _SIZES:
        return size(value)
    return duration(value) if key in _DURATIONS and not isinstance(value, str) else value


def _table(name: str, table: Mapping[str, Any]) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML allows no other control bare
