"""What a receiver's status for a stored object means (PS3.4 B.2.3, PS3.7 C), as a total function."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What became of an object that was to be stored."""

    STORED = "stored"
    WARNED = "warning"  # stored, and the receiver has something to say about it
    NO_ROOM = "refused"  # out of resources: later it may work
    FAILED = "failed"  # the receiver does not take this object
    UNKNOWN = "unknown"  # no answer came: it may be stored
    NOT_ACCEPTED = "not-accepted"  # the receiver does not take this class in this transfer syntax: it was not sent
    CHANGED = "changed"  # the file changed, or could not be read, when it was to be sent
    NOT_SENT = "not-sent"  # the transfer ended before its turn

    @property
    def confirmed(self) -> bool:
        """Return whether the receiver said that it has the object."""
        return self in {Outcome.STORED, Outcome.WARNED}


_WORDS: Final = {
    0x0000: "stored",
    0x0001: "stored, with a warning that the receiver does not explain",
    0x0107: "stored, with a warning about attributes",
    0x0116: "stored, with a warning about a value out of range",
    0xB000: "stored, and the receiver changed elements",
    0xB006: "stored, and the receiver dropped elements",
    0xB007: "stored, although the data set does not match its SOP class",
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0110: "processing failure",
    0x0111: "the receiver has an object of this UID",
    0x0112: "no such object",
    0x0117: "invalid SOP Instance UID",
    0x0118: "no such SOP class",
    0x0119: "the class of the object conflicts",
    0x0120: "missing attribute",
    0x0121: "missing attribute value",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0210: "duplicate invocation",
    0x0211: "unrecognised operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
}
_WARNINGS: Final = frozenset({0x0001, 0x0107, 0x0116})


def outcome_of(status: int | None) -> Outcome:
    """Return what a status says; None is no answer.  What is no answer to a store (pending, cancel) says nothing."""
    if status is None or not 0 <= status <= 0xFFFF:
        return Outcome.UNKNOWN
    if status == 0x0000:
        return Outcome.STORED
    if status in _WARNINGS or status >> 12 == 0xB:
        return Outcome.WARNED
    if status >> 8 == 0xA7 or status == 0x0213:
        return Outcome.NO_ROOM
    if status >> 12 == 0xF:  # FE00, FF00, FF01: none of them answers a store
        return Outcome.UNKNOWN
    return Outcome.FAILED


def status_words(status: int | None) -> str:
    """Say in words what a status means, with its number."""
    if status is None:
        return "no answer"
    return f"{_words(status)} (0x{status:04X})"


def _words(status: int) -> str:
    if status in _WORDS:
        return _WORDS[status]
    kind = outcome_of(status)
    if kind is Outcome.WARNED:
        return "stored, with a warning"
    if kind is Outcome.NO_ROOM:
        return "out of resources"
    if status >> 8 == 0xA9:
        return "the data set does not match its SOP class"
    if status >> 12 == 0xC:
        return "the receiver cannot process it"
    return "no answer to a store" if kind is Outcome.UNKNOWN else "failure"
