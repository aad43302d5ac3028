"""What a command names instead of a drop folder: the source, and the one session that it is to become.

A route that is made of it has a name that no configured route can have, and that holds no label (S8): what it is for
is in its units.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from xnatsync.core.pasting import operand

Place = Literal["archive", "prearchive"]
Transport = Literal["zip", "tar", "gradual"]
Unparsable = Literal["hold", "leave", "refuse"]
_KINDS: dict[Place, str] = {"archive": "upload", "prearchive": "upload-prearchive"}
_ROUTE = re.compile(r"(?P<kind>upload|upload-prearchive):(?P<server>.+)/(?P<project>[^/]+)/[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Given:
    """How a named source is sent: no header decides where to, and nothing beside the source is looked at."""

    subject: str
    session: str
    source: str  # absolute; for people where there are `files`
    files: tuple[str, ...] = ()  # absolute; () = everything in the source
    transport: Transport = "zip"
    adds: bool = True  # False: a session that is there already is left as it is
    unparsable: Unparsable = "hold"  # files in doubt: they hold the item, are left, or forbid to send anything


@dataclass(frozen=True, slots=True)
class Destination:
    """The one session that something is to become."""

    server: str  # its name in the configuration, or the address where it has none
    project: str
    subject: str
    session: str
    place: Place = "archive"

    @property
    def route(self) -> str:
        """Return the name of the route that goes there: the same for the same destination, in every run."""
        whole = "\0".join([self.server, self.project, self.subject, self.session, self.place])
        digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
        return f"{_KINDS[self.place]}:{self.server}/{self.project}/{digest}"


@dataclass(frozen=True, slots=True)
class GivenRoute:
    """What the name of such a route tells."""

    server: str
    project: str
    place: Place


def given_route(name: str) -> GivenRoute | None:
    """Read the name of a route that a command made; None for any other."""
    found = _ROUTE.fullmatch(name)
    if found is None:
        return None
    place: Place = "archive" if found["kind"] == _KINDS["archive"] else "prearchive"
    return GivenRoute(found["server"], found["project"], place)


def upload_words(route: str, source: str, subject: str, session: str) -> tuple[str, ...]:
    """Return the words of the command that goes on with what such a route left; none where they are not known."""
    found = given_route(route)
    if found is None or not (subject and session and source.startswith("/")):
        return ()
    server = () if "/" in found.server else ("-p", found.server)
    place = ("--prearchive",) if found.place == "prearchive" else ()
    return (
        *("session", "upload", *server, "-P", found.project, "-S", subject, "-E", session),
        *(*place, *operand(source)),
    )


_TRANSFER = re.compile(r"transfer:(?P<server>.+)/(?P<project>[^/,]+),(?P<to_server>.+)/(?P<to_project>[^/,]+)")


@dataclass(frozen=True, slots=True)
class Transferred:
    """The two projects of a transfer that a command makes, and the name of its route: the same in every run."""

    server: str  # its name in the configuration, or the address where it has none
    project: str
    to_server: str
    to_project: str

    @property
    def route(self) -> str:
        """Return the name of the route."""
        return f"transfer:{self.server}/{self.project},{self.to_server}/{self.to_project}"


def transferred(name: str) -> Transferred | None:
    """Read the name of a route that a transfer command made; None for any other."""
    found = _TRANSFER.fullmatch(name)
    return Transferred(**found.groupdict()) if found is not None else None
