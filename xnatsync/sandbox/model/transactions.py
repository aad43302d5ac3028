"""Imports that go on after their answer, by the id the client has chosen (import.md §1.7)."""

from __future__ import annotations

from dataclasses import dataclass, field

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.site import Site


@dataclass(slots=True)
class Note:
    """What is known of one import."""

    key: str
    login: str
    succeeded: bool | None = None
    final: str = ""
    progress: list[str] = field(default_factory=list)

    def finish(self, message: str, *, succeeded: bool) -> None:
        """End it."""
        self.final, self.succeeded = message, succeeded

    def messages(self) -> list[dict[str, str]]:
        """Return the old form: `/data/status/{id}`."""
        shown = [{"status": "PROCESSING", "msg": message, "terminal": "false"} for message in self.progress]
        if self.succeeded is not None:
            status = "COMPLETED" if self.succeeded else "FAILED"
            shown.append({"status": status, "msg": self.final, "terminal": "true"})
        return shown

    def tracking(self) -> dict[str, object]:
        """Return the new form: `/xapi/event_tracking/{id}`."""
        found: dict[str, object] = {"key": self.key, "payload": "", "succeeded": self.succeeded}
        if self.succeeded is not None:
            found["finalMessage"] = self.final
        return found


class Transactions:
    """All imports under way and over, for as long as the process lives."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._notes: dict[str, Note] = {}

    def begin(self, key: str, login: str) -> Note:
        """Open a transaction."""
        note = Note(key, login, progress=["Import started."])
        with self._site.lock:
            self._notes[key] = note
        return note

    def find(self, key: str, user: User) -> Note | None:
        """Return a transaction to its owner or an administrator; to others it does not exist."""
        note = self._notes.get(key)
        return note if note is not None and (user.admin or note.login == user.login) else None
