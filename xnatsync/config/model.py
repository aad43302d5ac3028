"""What may stand in the configuration file, key by key; docs/configuration.md says it in prose."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, Field, StrictBool, StrictInt, field_validator, model_validator

from xnatsync.config.agent import AgentConfig, JobConfig
from xnatsync.config.bandwidth import Rates, read_bandwidth
from xnatsync.config.notify import NotifyConfig
from xnatsync.config.rules import MatchConfig, RuleConfig, TableConfig
from xnatsync.config.selected import SelectionConfig
from xnatsync.config.transfers import FOLDER, TransferConfig
from xnatsync.config.trees import LayoutConfig, MirrorConfig, PushConfig
from xnatsync.config.values import (
    Folder,
    LongSeconds,
    MarkerText,
    Name,
    Part,
    Resource,
    Seconds,
    Silence,
    Size,
    TemplateText,
    is_name,
    quarrel,
    waiting,
)
from xnatsync.core.bandwidth import Bandwidth
from xnatsync.core.errors import RouteUnknown

__all__ = [
    "AgentConfig",
    "Config",
    "DefaultsConfig",
    "DropConfig",
    "JobConfig",
    "LayoutConfig",
    "LedgerConfig",
    "MatchConfig",
    "MirrorConfig",
    "NotifyConfig",
    "Part",
    "PushConfig",
    "RouteConfig",
    "RuleConfig",
    "ServerConfig",
    "TableConfig",
    "TransferConfig",
]


class LedgerConfig(Part):
    """`[ledger]`"""

    path: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("xnatsync", appauthor=False)) / "ledger.db"
    )


class DefaultsConfig(Part):
    """`[defaults]`"""

    server: Name | None = None
    project: Name | None = None


class ServerConfig(Part):
    """`[servers.NAME]`"""

    url: str
    user: str | None = None
    project: Name | None = None
    password_file: Folder | None = None
    password_source: Literal["environment", "file", "keyring", "prompt", "cached"] | None = None
    ca_file: Folder | None = None
    tls: Literal["verified", "insecure"] = "verified"
    timeout: Annotated[Seconds, AfterValidator(waiting)] = 60.0
    long_timeout: Annotated[Seconds, AfterValidator(waiting)] = 3600.0
    connections: Annotated[StrictInt, Field(ge=1, le=32)] = 4
    bandwidth: Rates | None = None

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        """Never repeats the address: a password may stand in it."""
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or re.search(r"\s", url):
            raise ValueError("write it as https://host[:port][/path]")
        if "@" in parts.netloc:
            raise ValueError("it must not hold a user or a password: there is `user`, and the password stays outside")
        if parts.query or parts.fragment:
            raise ValueError("it must not hold a query or a fragment")
        return url

    @field_validator("user")
    @classmethod
    def _is_user(cls, user: str | None) -> str | None:
        if user is not None and (not user or ":" in user):
            raise ValueError("a user's name is not empty and holds no colon")
        return user

    @property
    def limit(self) -> Bandwidth | None:
        """What may go to and from it in a second; None: everything."""
        return read_bandwidth(self.bandwidth) if self.bandwidth is not None else None

    @property
    def base_url(self) -> str:
        """The URL without a slash at its end."""
        return self.url.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Return whether the server is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class AlsoConfig(Part):
    """One of `also`: a further server for everything that a drop route delivers"""

    server: str
    project: Name | None = None


class DropConfig(SelectionConfig):
    """`[routes.NAME]` with `kind = "drop"`"""

    kind: Literal["drop"]
    folder: Folder
    server: str
    project: Name | None = None
    rules: tuple[RuleConfig, ...] = ()
    subject: TemplateText = "{PatientID}"
    session: TemplateText = "{PatientID}_{Modality}_{StudyDate}"
    settle: Seconds = 60.0
    settle_min: Seconds | None = None
    wait_for_missing: Seconds = 0.0
    wait_for: tuple[MarkerText, ...] = ()
    wait_while: tuple[MarkerText, ...] = ()
    max_wait: Seconds = 43200.0
    also: tuple[AlsoConfig, ...] = ()
    destination: Literal["archive", "prearchive"] = "archive"
    after: Literal["move", "keep", "delete"] = "move"
    done: Folder | None = None
    keep_done: LongSeconds | None = None
    keep_free: Size | None = None
    verify: Literal["names", "pixels", "bytes"] | None = None
    collision: Literal["hold", "suffix"] = "hold"
    same_patient: Literal["ignore", "hold"] = "ignore"
    other: Literal["keep", "attach", "ignore"] = "keep"
    odd: Literal["hold", "deliver"] = "hold"
    dicomdir: Literal["hold", "ignore"] = "hold"
    attach_to: Resource = "ATTACHED"
    member_names: Literal["uid", "original"] = "uid"
    streams: Annotated[StrictInt, Field(ge=1, le=8)] = 2
    quiet: Seconds = 60.0
    ignore: tuple[str, ...] = ()
    quiet_for: Silence = "learned"
    marker: StrictBool = False
    receipt_page: StrictBool = False
    projects: tuple[Name, ...] = ()

    @property
    def done_folder(self) -> Path:
        """Where items are filed: beside what is dropped, if nothing else is said."""
        return self.done if self.done is not None else self.folder / "done"

    @property
    def ruled(self) -> tuple[str, ...]:
        """List the projects that rules name, as they name them: by ID, or by a template."""
        return tuple(rule.project for rule in self.rules if rule.project is not None)

    @property
    def level(self) -> Literal["names", "pixels", "bytes"]:
        """The level of proof: what is to be deleted is fetched back first."""
        return self.verify if self.verify is not None else ("pixels" if self.after == "delete" else "names")

    @property
    def quarrels(self) -> tuple[tuple[str, str], ...]:
        """List keys that contradict each other: the key to change, and why."""
        found = self._misread()
        if self.project is None and not self.rules:
            found.append(("project", "say where studies go: `project`, or `rules`"))
        elif (nowhere := sorted({*self.projects} - {self.project, *self.ruled})) and all(map(is_name, self.ruled)):
            found.append(("projects", f"neither `project` nor a rule sends anything to {nowhere[0]}"))
        if self.project is None:
            for number, rule in enumerate(self.rules):
                if rule.project is None and rule.then == "send":
                    found.append((f"rules.{number}.project", "this key is required, as the route has no `project`"))
        if self.settle_min is not None and self.settle_min > self.settle:
            found.append(("settle_min", "at most as long as `settle`"))
        for key in ("keep_done", "keep_free"):
            if getattr(self, key) and self.after != "move":
                found.append((key, f'means nothing with after = "{self.after}": only what is moved is kept in `done`'))
        if self.after == "delete" and self.level == "names":
            found.append(
                ("verify", 'names are not enough to delete a source: after = "delete" needs "pixels" or "bytes"')
            )
        to_prearchive = "prearchive" in {self.destination, *(rule.destination for rule in self.rules)}
        if to_prearchive and self.level != "names":
            key = "verify" if self.verify is not None else "after"
            found.append((key, f'a prearchive session is proven by names only, and this needs "{self.level}"'))
        if to_prearchive and self.member_names == "original":
            found.append(("member_names", "a prearchive session is proven by names, which must hold the UID"))
        if to_prearchive and self.other == "attach":
            found.append(("other", 'a prearchive session takes no attachments: use "keep" or "ignore"'))
        places = [(self.server, self.project), *((also.server, also.project or self.project) for also in self.also)]
        for number, place in enumerate(places[1:]):
            if place in places[: number + 1]:
                found.append((f"also.{number}", "this server and project get everything already"))
        if self.also and self.after == "delete":
            found.append(("also", 'with several servers nothing is deleted at once: after = "move" with `keep_done`'))
        if self.receipt_page and self.after == "keep":
            found.append(("receipt_page", 'nothing is filed with after = "keep", so there is no place for it'))
        if self.done is not None and not self._is_filable(self.done):
            found.append(("done", "must be outside the drop folder or directly in it, and must not hold it"))
        return tuple(found)

    def _is_filable(self, done: Path) -> bool:
        if done.parent == self.folder:
            return done.name != ".xnatsync"  # our own folder
        return not (done.is_relative_to(self.folder) or self.folder.is_relative_to(done))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.quarrels:
            raise quarrel(self.quarrels)
        return self


RouteConfig = Annotated[DropConfig | MirrorConfig | PushConfig | TransferConfig, Field(discriminator="kind")]


class Config(Part):
    """The whole file."""

    ledger: LedgerConfig = Field(default_factory=LedgerConfig)
    defaults: DefaultsConfig = Field(default_factory=DefaultsConfig)
    servers: dict[Name, ServerConfig] = Field(default_factory=dict)
    routes: dict[Name, RouteConfig] = Field(default_factory=dict)
    agent: AgentConfig = Field(default_factory=AgentConfig)
    jobs: dict[Name, JobConfig] = Field(default_factory=dict)
    notify: dict[Name, NotifyConfig] = Field(default_factory=dict)

    @property
    def drop_routes(self) -> dict[str, DropConfig]:
        """The routes of the kind `drop`."""
        return {name: route for name, route in self.routes.items() if isinstance(route, DropConfig)}

    @property
    def mirror_routes(self) -> dict[str, MirrorConfig]:
        """The routes of the kind `mirror`."""
        return {name: route for name, route in self.routes.items() if isinstance(route, MirrorConfig)}

    @property
    def push_routes(self) -> dict[str, PushConfig]:
        """The routes of the kind `push`."""
        return {name: route for name, route in self.routes.items() if isinstance(route, PushConfig)}

    @property
    def tree_routes(self) -> dict[str, MirrorConfig | PushConfig]:
        """The routes that keep a tree: the kinds `mirror` and `push`."""
        return {name: route for name, route in self.routes.items() if isinstance(route, MirrorConfig | PushConfig)}

    @property
    def folders(self) -> dict[str, Path]:
        """The folders of the routes that have one."""
        return {name: Path(route.folder) for name, route in {**self.drop_routes, **self.tree_routes}.items()}

    @property
    def transfer_routes(self) -> dict[str, TransferConfig]:
        """The routes of the kind `transfer`."""
        return {name: route for name, route in self.routes.items() if isinstance(route, TransferConfig)}

    def servers_of(self, names: Iterable[str]) -> list[str]:
        """List the servers that these routes work with, on either side."""
        routes = [self.routes[name] for name in names]
        targets = {route.to_server for route in routes if isinstance(route, TransferConfig)}
        targets |= {also.server for route in routes if isinstance(route, DropConfig) for also in route.also}
        return sorted(({route.server for route in routes} | targets) - {FOLDER})

    def refuse_unknown(self, names: Iterable[str], known: Iterable[str] = ()) -> None:
        """Raise RouteUnknown for names that no route has; it tells which there are.  `known`: further ones."""
        there = {*self.routes, *known}
        if unknown := [name for name in names if name not in there]:
            names_there = f"configured: {', '.join(sorted(there))}" if there else "none is configured"
            raise RouteUnknown(f"no route is called {', '.join(unknown)}; {names_there}")
