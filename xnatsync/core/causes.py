"""What may need a person, as a total table: which states there are, who is asked, in which words.

A cause is a state at a place with a code: another wording of the error, or another file with the same trouble, is the
same cause.  Nothing of a cause is a value from outside: places are names of the configuration, codes are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xnatsync.core.advice import kind_of
from xnatsync.core.errors import (
    AccessError,
    DiskError,
    FolderMissing,
    LabelUnusable,
    LedgerError,
    NotComplete,
    PatientDiffers,
    XnatsyncError,
)
from xnatsync.core.wording import counted


class State(StrEnum):
    """What may be the matter; the words that `states` of a `[notify.NAME]` takes."""

    HELD = "held"
    INCOMPLETE = "incomplete"
    PATIENT = "patient"
    INBOX = "inbox"
    TABLE = "table"
    LOGIN = "login"
    SERVER = "server"
    FOLDER = "folder"
    DISK = "disk"
    VERIFY = "verify"
    JOB = "job"
    CONFIGURATION = "configuration"
    STUCK = "stuck"
    STOPPED = "stopped"
    SILENT = "silent"
    RETRIED = "retried"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Asking:
    """Whether a person is asked, what it says, and what is to be done."""

    person: bool
    sentence: str  # after the number of things, if `things` says what they are
    advice: str  # where the code has none of its own
    things: str = ""
    urgent: bool = False  # without a grace period
    passing: bool = False  # over when it is noticed: said once, and never as resolved


ASKING = {
    State.HELD: Asking(True, "waiting for a person", "`xnatsync status` lists them with what to do.", "thing"),
    State.INCOMPLETE: Asking(
        True, "not complete for too long", "Mend the marker, or accept the item as it is (`accept`).", "item"
    ),
    State.PATIENT: Asking(
        True, "held: it may be of another patient", "Compare first: `xnatsync status` lists it.", "session"
    ),
    State.INBOX: Asking(
        True, "in the inbox: no place is known for it", "Say where it belongs (`assign`), or add a rule.", "thing"
    ),
    State.TABLE: Asking(
        True, "refused", "`xnatsync status` shows its line; correct the file.", "lookup table"
    ),
    State.LOGIN: Asking(
        True, "the server refuses the login or the connection", "Check the account with `xnatsync doctor`.", urgent=True
    ),
    State.SERVER: Asking(True, "the server does not do its work", "Check it with `xnatsync doctor`. Nothing is lost."),
    State.FOLDER: Asking(True, "the route is paused", "Check its folder with `xnatsync doctor`. Nothing is lost."),
    State.DISK: Asking(
        True, "the disk is full or failing: nothing goes on", "Free some space, or repair the disk.", urgent=True
    ),
    State.VERIFY: Asking(
        True, "not as it was proven", "`xnatsync verify` names them; `xnatsync verify --repair` sends again.", "entity"
    ),
    State.JOB: Asking(True, "its last run failed", "`xnatsync history` shows why."),
    State.CONFIGURATION: Asking(
        True, "a changed configuration is refused, the former one is in force", "`xnatsync config check`, then reload."
    ),
    State.STUCK: Asking(True, "the agent makes no progress", "`xnatsync status`; restart the service.", urgent=True),
    State.STOPPED: Asking(
        True, "the agent was not running", "See the service's log for why it ended. It runs again.",
        urgent=True, passing=True,
    ),
    State.SILENT: Asking(True, "no data has arrived", "Check the scanner and its export to the drop folder."),
    State.RETRIED: Asking(False, "tried again by itself", ""),
    State.PAUSED: Asking(False, "paused by a person", ""),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that is the matter now."""

    state: State
    place: str  # `route NAME`, `server NAME`, `job NAME`, `agent`, `ledger`
    code: str = ""
    many: int = 1
    since: str = ""
    note: str = ""  # more words of ours, without any name
    detail: str = ""  # words of the error: labels and paths may stand in it

    @property
    def key(self) -> tuple[State, str, str]:
        """Return what makes it the same cause."""
        return self.state, self.place, self.code


def state_of_hold(code: str) -> State:
    """Return the state of what waits for a person under a code."""
    kind = kind_of(code)
    if kind is None:
        return State.HELD
    for family, state in _HELD:
        if issubclass(kind, family):
            return state
    return State.HELD


def state_of_pause(code: str) -> State:
    """Return the state of a route, a server or the ledger that is left alone under a code."""
    kind = kind_of(code)
    if kind is None:
        return State.SERVER
    for family, state in _PAUSED:
        if issubclass(kind, family):
            return state
    return State.SERVER


_HELD: tuple[tuple[type[XnatsyncError], State], ...] = (
    (NotComplete, State.INCOMPLETE),
    (PatientDiffers, State.PATIENT),
    (LabelUnusable, State.INBOX),
    (AccessError, State.LOGIN),
)
_PAUSED: tuple[tuple[type[XnatsyncError], State], ...] = (
    (AccessError, State.LOGIN),
    (FolderMissing, State.FOLDER),
    (DiskError, State.DISK),
    (LedgerError, State.DISK),
)


def sentence_of(state: State, code: str, many: int, note: str = "") -> str:
    """Say what is the matter: a number, a state, what the code stands for.  No name is in it."""
    asking = ASKING[state]
    first = f"{counted(many, asking.things)} {asking.sentence}" if asking.things else asking.sentence
    kind = kind_of(code)
    why = (kind.__doc__ or "").partition("\n")[0].strip().rstrip(".") if kind is not None else ""
    return "; ".join(part for part in (first, why, note) if part)


def advice_for(state: State, code: str) -> str:
    """Say what is to be done."""
    kind = kind_of(code)
    return kind.advice if kind is not None else ASKING[state].advice
