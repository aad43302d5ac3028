"""What was done to an experiment, as its history tells it: one event for each workflow (hierarchy.md §16)."""

from __future__ import annotations

import re

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.objects import Event, Experiment
from xnatsync.sandbox.model.schema import element
from xnatsync.sandbox.model.site import Site

_WORDS = re.compile(r"(?<=[a-z0-9A-Z])(?=(Session|Scan|Assessment|Variables)$)")

_SHORT = {"xnat:qcManualAssessorData": "Manual QC"}


def singular(xsi_type: str) -> str:
    """Return the name of one thing of a type, as a person reads it: `MR Session`."""
    found = element(xsi_type)
    return _WORDS.sub(" ", found.root) if found is not None and found.root else xsi_type.partition(":")[2]


def plural(xsi_type: str) -> str:
    """Return the name of several things of a type: `MR Sessions`, `Manual QCs`."""
    return f"{_SHORT.get(xsi_type, singular(xsi_type))}s"


def note(
    site: Site, item: Experiment, action: str, user: User | str, *, kind: str = "WEB_SERVICE", why: str = ""
) -> None:
    """Add an event to the history of an experiment; it is kept with it."""
    login = user if isinstance(user, str) else user.login
    item.events.append(Event(site.next_event(), action, round(site.clock() * 1000), login, kind, why))


def note_write(
    site: Site, item: Experiment, user: User, *, created: bool, action: str = "", kind: str = "", why: str = ""
) -> None:
    """Add the event of a write: the name of the request's `event_action`, else what it was by the type's name."""
    done = action or f"{'Added' if created else 'Modified'} {singular(item.xsi_type)}"
    note(site, item, done, user, kind=kind or "WEB_SERVICE", why=why)
