"""What may stand in the configuration file, key by key; docs/configuration.md says it in prose."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from xnatsync.config.words import seconds
from xnatsync.core.names import Template, is_valid_label

COMING = ("mirror", "push", "transfer")  # kinds that a later version knows
MOST_S = 31 * 86400.0

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_KEYWORD = re.compile(r"[A-Z][A-Za-z0-9]*|\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)")


def _duration(value: object) -> float:
    match value:
        case str():
            found = seconds(value)
        case _:
            raise ValueError('write a duration in quotes and with its unit, such as "60s"')
    if found > MOST_S:
        raise ValueError("at most 31d")
    return found


def _waiting(value: float) -> float:
    if value < 1:
        raise ValueError("at least 1s: less would give up before the server can answer")
    return value


def _path(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError("it begins with ~, and there is no such home folder") from None
    if not path.is_absolute():  # what stands here instead may be a password: it is not repeated
        raise ValueError("must be an absolute path, or begin with ~/: a service has no folder of its own to begin from")
    if "\0" in value:
        raise ValueError("a path cannot hold a zero byte")
    return path


def _template(value: str) -> str:
    Template.parse(value)
    return value


def _label(value: str) -> str:
    if not is_valid_label(value):
        raise ValueError(f"{value!r} is not a label that XNAT accepts: A-Z a-z 0-9 _ -")
    return value


def _resource(value: str) -> str:
    if value.isdigit():
        raise ValueError("must not be a number: XNAT would take it for the number of a resource")
    return _label(value)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} cannot be a name here: A-Z a-z 0-9 _ -")
    return value


def _keyword(value: str) -> str:
    if not _KEYWORD.fullmatch(value):
        raise ValueError(f"{value!r} is not a DICOM keyword such as StationName, nor (gggg,eeee)")
    return value


Seconds = Annotated[float, BeforeValidator(_duration)]
Folder = Annotated[Path, BeforeValidator(_path)]
TemplateText = Annotated[str, AfterValidator(_template)]
Resource = Annotated[str, AfterValidator(_resource)]
Name = Annotated[str, AfterValidator(_name)]
Keyword = Annotated[str, AfterValidator(_keyword)]


class Part(BaseModel):
    """A table of the file: unknown keys are refused, values are frozen, no input is repeated in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class LedgerConfig(Part):
    """`[ledger]`"""

    path: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("xnatsync", appauthor=False)) / "ledger.db"
    )


class DefaultsConfig(Part):
    """`[defaults]`"""

    project: Name | None = None


class ServerConfig(Part):
    """`[servers.NAME]`"""

    url: str
    user: str | None = None
    project: Name | None = None
    password_file: Folder | None = None
    ca_file: Folder | None = None
    tls: Literal["verified", "insecure"] = "verified"
    timeout: Annotated[Seconds, AfterValidator(_waiting)] = 60.0
    long_timeout: Annotated[Seconds, AfterValidator(_waiting)] = 3600.0
    connections: Annotated[StrictInt, Field(ge=1, le=32)] = 4

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
    def base_url(self) -> str:
        """The URL without a slash at its end."""
        return self.url.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Tells whether the server is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class RuleConfig(Part):
    """One of `rules`: studies whose header matches go to this project."""

    when: dict[Keyword, str]
    project: Name
    subject: TemplateText | None = None
    session: TemplateText | None = None

    @field_validator("when")
    @classmethod
    def _says_something(cls, when: dict[str, str]) -> dict[str, str]:
        if not when:
            raise ValueError("name at least one header field; what matches no rule goes to the route's `project`")
        return when


class DropConfig(Part):
    """`[routes.NAME]` with `kind = "drop"`"""

    kind: Literal["drop"]
    folder: Folder
    server: str
    project: Name | None = None
    rules: tuple[RuleConfig, ...] = ()
    subject: TemplateText = "{PatientID}"
    session: TemplateText = "{PatientID}_{Modality}_{StudyDate}"
    settle: Seconds = 60.0
    destination: Literal["archive", "prearchive"] = "archive"
    after: Literal["move", "keep", "delete"] = "move"
    done: Folder | None = None
    verify: Literal["names", "pixels", "bytes"] | None = None
    collision: Literal["hold", "suffix"] = "hold"
    other: Literal["keep", "attach", "ignore"] = "keep"
    attach_to: Resource = "ATTACHED"
    member_names: Literal["uid", "original"] = "uid"
    streams: Annotated[StrictInt, Field(ge=1, le=8)] = 2
    quiet: Seconds = 60.0
    ignore: tuple[str, ...] = ()

    @property
    def done_folder(self) -> Path:
        """Where items are filed: beside what is dropped, if nothing else is said."""
        return self.done if self.done is not None else self.folder / "done"

    @property
    def level(self) -> Literal["names", "pixels", "bytes"]:
        """The level of proof: what is to be deleted is fetched back first."""
        return self.verify if self.verify is not None else ("pixels" if self.after == "delete" else "names")

    @property
    def quarrels(self) -> tuple[tuple[str, str], ...]:
        """Lists keys that contradict each other: the key to change, and why."""
        found = []
        if self.project is None and not self.rules:
            found.append(("project", "say where studies go: `project`, or `rules`"))
        if self.after == "delete" and self.level == "names":
            found.append(
                ("verify", 'names are not enough to delete a source: after = "delete" needs "pixels" or "bytes"')
            )
        if self.destination == "prearchive" and self.level != "names":
            key = "verify" if self.verify is not None else "after"
            found.append((key, f'a prearchive session is proven by names only, and this needs "{self.level}"'))
        if self.destination == "prearchive" and self.member_names == "original":
            found.append(("member_names", "a prearchive session is proven by names, which must tell the UID"))
        if self.destination == "prearchive" and self.other == "attach":
            found.append(("other", 'a prearchive session takes no attachments: use "keep" or "ignore"'))
        if self.done is not None and not self._is_filable(self.done):
            found.append(("done", "must lie outside the drop folder or directly in it, and must not hold it"))
        return tuple(found)

    def _is_filable(self, done: Path) -> bool:
        if done.parent == self.folder:
            return done.name != ".xnatsync"  # our own folder
        return not (done.is_relative_to(self.folder) or self.folder.is_relative_to(done))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.quarrels:
            words = "; ".join(f"{key}: {text}" for key, text in self.quarrels)
            raise PydanticCustomError("quarrels", "{words}", {"words": words, "quarrels": self.quarrels})
        return self


class Config(Part):
    """The whole file."""

    ledger: LedgerConfig = Field(default_factory=LedgerConfig)
    defaults: DefaultsConfig = Field(default_factory=DefaultsConfig)
    servers: dict[Name, ServerConfig] = Field(default_factory=dict)
    routes: dict[Name, DropConfig] = Field(default_factory=dict)
