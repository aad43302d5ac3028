"""Repair of a push: what somebody deleted on the server is sent again by the next run, as a person asks for it."""

from __future__ import annotations

from collections.abc import Iterator

from xnatsync.core.verification import Finding, Looked, Repair, Verdict
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.verify.examiner import Looking


class Resend:
    """Mends what one push has on the server during one run."""

    def __init__(self, looking: Looking, route: MirrorRoute) -> None:
        self._looking, self._route = looking, route

    def mend(self, looked: Looked, *, rehearse: bool) -> list[Repair]:
        """Let the next run send what is missing on the server; nothing that is there is ever replaced."""
        if not looked.target.ids:
            return []
        return list(self._repairs(looked, rehearse))

    def _repairs(self, looked: Looked, rehearse: bool) -> Iterator[Repair]:
        lost_here = {found.key for found in looked.findings if found.side == "tree" and found.verdict in _NOT_HERE}
        for found in looked.findings:
            if found.side == "server" and found.verdict is Verdict.MISSING:
                yield self._missing(looked, found, lost_here, rehearse)
            elif found.side == "server" and found.verdict is Verdict.DIFFERS:
                yield _person(looked, found, "another file was put there: compare the two; nothing is overwritten")
            elif found.side == "tree" and found.verdict is Verdict.MISSING:
                yield _person(looked, found, "it is gone here; what was sent stays on the server")
            elif found.side == "tree" and found.verdict is Verdict.DIFFERS:
                yield _person(looked, found, "it is not what was sent: the next sync sends it if it was edited")
            elif found.verdict is Verdict.UNREADABLE:
                yield _person(looked, found, found.unreadable_advice)

    def _missing(self, looked: Looked, found: Finding, lost_here: set[str | None], rehearse: bool) -> Repair:
        if found.key is None:
            return _person(looked, found, "create it on the server again; its files are sent by the next sync then")
        if found.key in lost_here or None in lost_here:
            return _person(looked, found, "it is not here either as it was sent")
        text = "sent again by the next sync"
        version = self._looking.ledger.find_living(self._route.name, found.key)
        if version is None:
            return _person(looked, found, "a run is at work with it: verify it again when that has ended")
        if not rehearse:  # without what was agreed it is a file like any new one
            looking = self._looking
            looking.ledger.change_versions([], [(version.id, "removed")], looking.now(), looking.run_id)
        return Repair(looked.target, found.key, "send", text, done=not rehearse)


def _person(looked: Looked, found: Finding, text: str) -> Repair:
    return Repair(looked.target, found.key, "person", text)


_NOT_HERE = frozenset({Verdict.MISSING, Verdict.DIFFERS, Verdict.UNREADABLE, Verdict.UNVERIFIABLE})
