"""What `xnatsync run` reads of the configuration: `[agent]`, and `[jobs.NAME]`, which only it runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt, model_validator

from xnatsync.config.problems import Problem, problem_at
from xnatsync.config.values import Cron, Folder, Name, Part, Seconds, quarrel
from xnatsync.core.quiet_hours import span

_OF_VERIFY, _OF_AUDIT = ("routes", "level"), ("server", "project", "manifest")


def _seconds_at_least(value: float) -> float:
    if value < 1:
        raise ValueError("at least 1s")
    return value


def _span(text: str) -> str:
    span(text)
    return text


def _address(value: str) -> str:
    """Never repeats the address: a secret may stand in it."""
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or re.search(r"\s", value):
        raise ValueError("write it as https://host[:port][/path]")
    if "@" in parts.netloc:
        raise ValueError("it must not hold a user or a password: use `heartbeat_file` (mode 0600)")
    return value


class AgentConfig(Part):
    """`[agent]`"""

    workers: Annotated[StrictInt, Field(ge=1, le=16)] = 2
    rescan: Annotated[Seconds, AfterValidator(_seconds_at_least)] = 600.0
    poll: Annotated[Seconds, AfterValidator(_seconds_at_least)] = 30.0
    heartbeat: Annotated[str, AfterValidator(_address)] | None = None
    heartbeat_file: Folder | None = None
    metrics_file: Folder | None = None

    @model_validator(mode="after")
    def _has_one_heartbeat(self) -> Self:
        if self.heartbeat is not None and self.heartbeat_file is not None:
            raise quarrel([("heartbeat_file", "there is `heartbeat` already: use one of the two")])
        return self

    quiet_hours: tuple[Annotated[str, AfterValidator(_span)], ...] = ()


class JobConfig(Part):
    """`[jobs.NAME]`"""

    run: Literal["verify", "audit"]
    schedule: Cron
    routes: tuple[Name, ...] = ()
    level: Literal["names", "pixels", "bytes"] | None = None
    server: Name | None = None
    project: Name | None = None
    manifest: Folder | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        others = _OF_AUDIT if self.run == "verify" else _OF_VERIFY
        found = [(key, f'means nothing with run = "{self.run}"') for key in others if getattr(self, key)]
        if self.run == "audit":
            found += [(key, 'run = "audit" needs it') for key in _OF_AUDIT if getattr(self, key) is None]
        if found:
            raise quarrel(found)
        return self


def crossed_jobs(
    text: str, jobs: Mapping[str, JobConfig], servers: Collection[str], routes: Collection[str]
) -> Iterator[Problem]:
    """Check what jobs name against what there is."""
    for name, job in jobs.items():
        if name in routes:
            yield problem_at(
                text, ("jobs", name), f"a route is called {name}, too: `sync` and `pause` take either name"
            )
        for route in job.routes:
            if route not in routes:
                yield problem_at(text, ("jobs", name, "routes"), f"no route is called {route}")
        if job.server is not None and job.server not in servers:
            yield problem_at(text, ("jobs", name, "server"), f"no server is called {job.server}")
