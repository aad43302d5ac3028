"""Showing subjects and sessions in a second project: the label goes along, and a session lies under its subject there.

XNAT shares a session without its subject, and without a label shows the accession ID (hierarchy.md §3.2); a second
share is refused with 409; taking something out of the project that holds it deletes it, with 200 (§4.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.core.errors import AlreadyThere
from xnatsync.core.pasting import command_line
from xnatsync.services import finding
from xnatsync.xnat import asked, edits
from xnatsync.xnat.asked import Place

if TYPE_CHECKING:
    from xnatsync.core.nouns import SessionHeld
    from xnatsync.services.base import BaseService

_WORDS = {edits.SUBJECT: "subject", edits.SESSION: "session"}


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a service shares, and takes out again."""

    service: BaseService

    def subject(self, subject_id: str, held_by: str, own_label: str, target: str, label: str | None) -> bool:
        """Show a subject in another project.  True when it is there."""
        home = finding.project(self.service.client, target).id
        place = self._place(edits.SUBJECT, subject_id, home)
        if home == held_by or place is not None:
            return self._as_asked(place, label, edits.SUBJECT, subject_id, home)
        wanted = label or self._own_label(edits.SUBJECT, subject_id, held_by) or own_label
        taken = (row["label"] for row in asked.subjects(self.service.client.low, home, ("ID", "label")))
        self._refuse_taken(wanted, taken, edits.SUBJECT, subject_id, home)
        return self._share(edits.SUBJECT, subject_id, home, wanted)

    def session(self, held: SessionHeld, held_by: str, target: str, label: str | None, *, primary: bool) -> bool:
        """Show a session in another project with its subject, or, with `primary`, move it there."""
        home = finding.project(self.service.client, target).id
        place = self._place(edits.SESSION, held.id, home)
        if held_by == home or (place is not None and not primary):
            return self._as_asked(place, label, edits.SESSION, held.id, home)
        wanted = label or self._own_label(edits.SESSION, held.id, held_by) or held.label
        low = self.service.client.low
        rows = asked.sessions(low, home, ("ID", "label"))
        others = (row["label"] for row in rows if not row["URI"].endswith(f"/{held.id}"))
        self._refuse_taken(wanted, others, edits.SESSION, held.id, home)
        owner = finding.subject_by_id(self.service.client, held.subject_id)
        try:
            self.subject(owner.id, owner.held_by, owner.label, home, None)
        except AlreadyThere as taken:
            line = command_line("subject", "share", owner.id, "--into", home, "--label", "LABEL")
            raise AlreadyThere(f"{taken}", advice=f"First share its subject under another label: `{line}`.") from None
        return self._share(edits.SESSION, held.id, home, wanted, primary=primary)

    def end(self, kind: str, item_id: str, target: str) -> bool:
        """Take something out of a project that it is shared into.  True when it is not there."""
        home = finding.project(self.service.client, target).id
        if not self.is_shown(kind, item_id, home):
            return True
        deed = f"take {_WORDS[kind]} {item_id} out of project {home}"
        with self.service.written_down(f"{_WORDS[kind]}.unshared", deed, target=home):
            self.service.do(edits.unshare(kind, item_id, home), seen=lambda: self._place(kind, item_id, home) is None)
        return True

    def is_shown(self, kind: str, item_id: str, target: str) -> bool:
        """Return whether a project only shows something; Usage where it belongs to the project: it would be deleted."""
        home = finding.project(self.service.client, target).id
        held_by = asked.item(self.service.client.low, edits.held(kind, item_id)).text("project")
        places = asked.places(self.service.client.low, kind, item_id)
        return finding.refuse_at_its_project(places, home, held_by, f"{_WORDS[kind]} {item_id}")

    def _share(self, kind: str, item_id: str, home: str, label: str, *, primary: bool = False) -> bool:
        low = self.service.client.low

        def seen() -> bool:
            if primary:
                return asked.item(low, edits.held(kind, item_id)).text("project") == home
            place = self._place(kind, item_id, home)
            return place is not None and place.label == label

        word = _WORDS[kind]
        code = f"{word}.moved" if primary else f"{word}.shared"
        deed = f"{'move' if primary else 'share'} {word} {item_id} into project {home}"
        with self.service.written_down(code, deed, target=home):
            self.service.do(edits.share(kind, item_id, home, label, primary=primary), seen=seen)
        return True

    def _as_asked(self, place: Place | None, label: str | None, kind: str, item_id: str, home: str) -> bool:
        """Return True of what is in a project already; AlreadyThere where another label was asked for than it has."""
        if label is not None and place is not None and place.label != label:
            word = _WORDS[kind]
            raise AlreadyThere(
                f"{word} {item_id} is in project {home} already, under another label than was asked for",
                advice=f"Take it out of {home} with `{_taken_out(kind, item_id, home)}`, and share it again.",
            )
        return True

    def _place(self, kind: str, item_id: str, home: str) -> Place | None:
        places = asked.places(self.service.client.low, kind, item_id)
        return next((place for place in places if place.project == home), None)

    def _own_label(self, kind: str, item_id: str, held_by: str) -> str:
        place = self._place(kind, item_id, held_by)
        return place.label if place is not None else ""

    def _refuse_taken(self, label: str, taken: Iterable[str], kind: str, item_id: str, home: str) -> None:
        labels = {other.casefold() for other in taken}
        if label.casefold() not in labels:
            return
        raise AlreadyThere(
            f"project {home} has another {_WORDS[kind]} with the label that {_WORDS[kind]} {item_id} was to have there",
            advice="Give it a label of its own there: `--label`, or `label=`.",
        )


def _taken_out(kind: str, item_id: str, home: str) -> str:
    """Return the command that takes something out of a project that shows it."""
    named = ("subject", "unshare", item_id) if kind == edits.SUBJECT else ("session", "unshare", "-E", item_id)
    return command_line(*named, "--from", home)
