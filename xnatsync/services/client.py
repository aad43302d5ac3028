"""The public client: one server seen as one user, and the requests that services make of it.

It is the client that the program uses: one login for all threads, reads that are repeated where that is safe, writes
that are sent once, no redirect followed, certificates verified, and every failure one class of `services.errors`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from xnatsync.core.errors import CredentialsMissing, Usage
from xnatsync.services.accessors import Services
from xnatsync.xnat import raw, replies
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.login import GivenSession
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.server import XnatServer
from xnatsync.xnat.wire import Due

if TYPE_CHECKING:
    from xnatsync.app.profile import Profile
    from xnatsync.xnat.client import Client

__all__ = ["Answer", "XNATClient"]

Query = Mapping[str, object] | None
WORK_S: Final = 3600.0  # how long an effect may take to be answered: a relabelling moves files (hierarchy.md §4)


class Answer:
    """An answer, read to its end."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.content = reply.body
        self.headers: Mapping[str, str] = reply.headers
        self.text = reply.text
        self._reply = reply

    def __repr__(self) -> str:
        """Name the status and the size."""
        return f"<Answer {self.status_code}, {len(self.content)} bytes>"

    def json(self) -> Any:
        """Return the document; ReplyStrange when it is none."""
        return replies.parsed(self._reply)


class XNATClient(Services):
    """One XNAT as one user.  Thread-safe; a context manager that logs out at its end.

        with XNATClient("https://xnat.example.org", "me", password) as client:
            client.authenticate()

    The password is sent to `base_url` and to no other address.  Nothing is asked of the server before it must be.
    `session_token` is the JSESSIONID of a session that was opened elsewhere: it is used instead of a login and never
    ended, and needs no password; with one, a new session is opened when it has ended.
    `timeout` is how long, in seconds, an ordinary request may make no progress.
    """

    def __init__(
        self,
        base_url: str,
        username: str | None = None,
        password: str | None = None,
        *,
        timeout: float | None = None,
        verify_ssl: bool = True,
        ca_bundle: str | Path | None = None,
        session_token: str | None = None,
        connections: int = 8,
    ) -> None:
        if session_token is None and (not username or password is None):
            raise CredentialsMissing(
                "no user or no password was given",
                advice="Give both, or session_token=..., or use XNATClient.from_profile().",
            )
        self.base_url = base_url.rstrip("/")
        self.username = username or ""
        self.default_project: str | None = None
        self.profile: Profile | None = None
        self.server = XnatServer(
            self.base_url,
            self.username,
            password if username else None,
            kept=GivenSession(session_token, self.username) if session_token is not None else None,
            server_name=self.base_url,
            verify=(ca_bundle or True) if verify_ssl else False,
            timeouts=Timeouts(read_s=timeout) if timeout is not None else None,
            pool=connections,
        )

    @classmethod
    def from_profile(cls, profile: str | None = None, *, config_file: Path | None = None) -> Self:
        """Return a client of a configured server; without a name the one that the commands would use.

        Credentials come from where docs/configuration.md says: environment, password file, keyring, `auth login`.
        """
        from xnatsync.app.profile import choose

        return cls.of(choose(config_file, profile))

    @classmethod
    def of(cls, profile: Profile, *, workers: int = 7) -> Self:
        """Return a client of a server that was chosen already."""
        from xnatsync.app.connecting import connect

        made = cls.__new__(cls)
        made.base_url, made.username = profile.login.url, profile.login.user
        made.default_project, made.profile = profile.project, profile
        pool = max(profile.server.connections, workers + 1)
        made.server = connect(profile.name, profile.server, profile.login, stopping=lambda: False, connections=pool)
        return made

    @classmethod
    def over(cls, server: XnatServer, profile: Profile) -> Self:
        """Return a client on a connection that somebody else opened, and closes."""
        made = cls.__new__(cls)
        made.base_url, made.username = profile.login.url, profile.login.user
        made.default_project, made.profile, made.server = profile.project, profile, server
        return made

    def __repr__(self) -> str:
        """Name server and user, and nothing secret."""
        return f"XNATClient({self.base_url!r}, {self.username!r})"

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log out."""
        self.close()

    def close(self) -> None:
        """Log out and close the connections; may be called twice."""
        self.server.close()

    @property
    def low(self) -> Client:
        """The client below, for the modules of `xnatsync.xnat`."""
        return self.server.client

    def authenticate(self) -> str:
        """Log in now and return the name under which the server knows us; CredentialsRefused when it does not.

        Not needed: the first request logs in.
        """
        return self.server.whoami()

    def whoami(self) -> str:
        """Return the name under which the server knows us."""
        return self.server.whoami()

    def ping(self) -> dict[str, str | None]:
        """Return version and build of the server; ServerUnreachable when there is none."""
        about = self.server.about()
        return {"version": about.version, "url": self.base_url}

    def get(self, path: str, params: Query = None, *, what: str = "") -> Answer:
        """Read from a path such as `/data/projects`; everything but 200 is raised."""
        return Answer(raw.read(self.low, path, what or f"reading {path}", *_pairs(params), due=Due.JSON))

    def stream(self, path: str, params: Query = None) -> Iterator[bytes]:
        """Read from a path piece by piece, whatever comes; whoever does not read to the end closes it."""
        return self.low.stream(raw.call("GET", path, f"reading {path}", _pairs(params), due=Due.FILE))

    def get_json(self, path: str, params: Query = None) -> Any:
        """Read a JSON document; `format=json` is asked for below /data."""
        asked = {"format": "json", **(params or {})} if path.startswith("/data/") else params
        return self.get(path, asked).json()

    def post(self, path: str, params: Query = None, **body: Any) -> Answer:
        """Send a POST once: `json=`, `data=` (a form), or `content=` with `content_type=`."""
        return self.send("POST", path, params, **body)

    def put(self, path: str, params: Query = None, **body: Any) -> Answer:
        """Send a PUT once: `json=`, `data=` (a form), or `content=` with `content_type=`."""
        return self.send("PUT", path, params, **body)

    def delete(self, path: str, params: Query = None) -> Answer:
        """Send a DELETE once."""
        return self.send("DELETE", path, params, verb=Verb.DELETE)

    def send(
        self,
        method: str,
        path: str,
        params: Query = None,
        *,
        json: object = None,
        data: Mapping[str, str] | None = None,
        content: bytes | Body | Path | None = None,
        content_type: str = "application/octet-stream",
        what: str = "",
        verb: Verb = Verb.CHANGE,
        timeout_s: float = WORK_S,
        done: Iterable[int] = raw.DONE,
    ) -> Answer:
        """Do an effect once; OutcomeUnknown when it may or may not have happened.  A file as `content` is streamed."""
        body: Body | None = content if isinstance(content, Body) else None
        if json is not None:
            body = raw.json_body(json)
        elif data is not None:
            body = raw.form_body(data)
        elif isinstance(content, bytes):
            body = raw.bytes_body(content, content_type)
        elif isinstance(content, Path):
            body = _of_a_file(content, content_type)
        request = raw.call(method, path, what or f"{method} {path}", _pairs(params), verb=verb)
        return Answer(
            raw.change(
                self.low,
                request,
                request_id=str(uuid.uuid4()),
                timeout_s=timeout_s,
                body=body,
                done=frozenset(done),
            )
        )


def _of_a_file(path: Path, content_type: str) -> Body:
    from xnatsync.disk.given import given_files

    if path.is_dir():
        raise Usage(f"{path} is a folder", advice="Name one file.")
    (file,) = given_files([path])
    return Body(file.pieces(), file.size, content_type)


def _pairs(params: Query) -> list[tuple[str, str]]:
    found = []
    for key, value in (params or {}).items():
        if value is None:
            continue
        values = value if isinstance(value, list | tuple) else [value]
        found += [(key, str(one).lower() if isinstance(one, bool) else str(one)) for one in values]
    return found
