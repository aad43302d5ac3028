"""What all services share: the client, listings that end, and the project that is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from itertools import islice
from typing import Any, Concatenate, ParamSpec, TypeVar

from xnatsync.core.errors import Usage
from xnatsync.core.nouns import not_empty
from xnatsync.services import effects
from xnatsync.services.client import XNATClient
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.wire import Call

__all__ = ["BaseService"]

Row = TypeVar("Row")
Given = ParamSpec("Given")
Made = TypeVar("Made")


class BaseService:
    """A service on an authenticated client.  Any number of services share one client, also in several threads.

    `settle_s` is how long a change without an answer is looked for: a relabelling outlives a proxy's patience.
    `cache_s` is how long the server may show the old state after it said yes: its caches are a little behind.
    """

    settle_s: float = 120.0
    cache_s: float = 3.0

    def __init__(self, client: XNATClient) -> None:
        self.client = client

    def _project(self, project: str | None) -> str:
        """Return the project that is meant, else the profile's default; Usage when there is neither."""
        if found := not_empty(project) or self.client.default_project:
            return found
        raise Usage("no project was named", advice="Give project=..., or set `project` for this server.")

    def named_project(self, project: str | None) -> str:
        """Return the project that is meant, else the default one; Usage says where it can be set."""
        profile = self.client.profile
        return profile.project_or_default(project) if profile is not None else self._project(project)

    def do(self, call: Call, *, seen: Callable[[], bool], body: Body | None = None) -> None:
        """Do one effect and see it: EffectMissing, or OutcomeUnknown where no answer came, when it is not seen."""
        effects.do(self.client, call, seen=seen, body=body, settle_s=self.settle_s, cache_s=self.cache_s)

    def written_down(self, code: str, deed: str, **data: object) -> AbstractContextManager[dict[str, object]]:
        """Have the effect of a block in the diary of the configuration, where the client comes from one and has it.

        As in `with self.written_down("session.deleted", "delete session XNAT_E00001"):`; no labels of patients in it.
        """
        from xnatsync.app.written_down import written_down

        return written_down(self.client.profile, code, deed, **data)

    _written_down = written_down


def one_at_a_time(
    method: Callable[Concatenate[Any, Given], Made],
) -> Callable[Concatenate[Any, Given], Made]:
    """Let one thread at a time of those that share a client look for something and make it."""

    @wraps(method)
    def alone(self: Any, /, *args: Given.args, **given: Given.kwargs) -> Made:
        with self.client.making:
            return method(self, *args, **given)

    return alone


def limited(rows: Iterable[Row], limit: int | None) -> list[Row]:
    """Return at most so many; XNAT's listings come whole, so nothing is asked page by page."""
    if limit is not None and limit < 0:
        raise Usage(f"limit is {limit}", advice="Give a number from 0 on, or None for all.")
    return list(rows if limit is None else islice(rows, limit))


def columns_asked(columns: Sequence[str] | None, always: Sequence[str]) -> str:
    """Return the columns of a listing: those that a model needs, and those that were asked for."""
    return ",".join(dict.fromkeys([*always, *(columns or ())]))


def further(row: Mapping[str, str], columns: Sequence[str], known: Sequence[str]) -> dict[str, Any]:
    """Return the values of columns that were asked for beyond those of a model, under the names that were asked for.

    Usage for one that the server left out: it drops what it does not know, without a word (hierarchy.md §3.4).
    """
    found = {name: row.get(name, row.get(name.lower())) for name in columns if name not in known}
    if missing := [name for name, value in found.items() if value is None]:
        raise Usage(
            f"the server has no column {', '.join(missing)} here",
            advice="Give one of its shortcuts, or a path such as xnat:mrSessionData/fields/field/name.",
        )
    return found
