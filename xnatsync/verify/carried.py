"""`verify` of a transfer: what its certificate would say, entity by entity."""

from __future__ import annotations

from dataclasses import replace

from xnatsync.core.errors import Usage
from xnatsync.core.fidelity import Fate
from xnatsync.core.inventory import OwnerKind
from xnatsync.core.manifest import Level
from xnatsync.core.verification import Depth, Finding, Looked, Repair, Tally, Target, Verdict
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.verify.examiner import Looking
from xnatsync.verify.transfers import Examination, Examined

_VERDICTS: dict[Fate, Verdict] = {
    Fate.MISSING: Verdict.MISSING,
    Fate.DIFFERS: Verdict.DIFFERS,
    Fate.LOST: Verdict.UNVERIFIABLE,
    Fate.UNVERIFIABLE: Verdict.UNVERIFIABLE,
    Fate.EXTRA: Verdict.EXTRA,
}  # what no transfer carries, and a label that was changed over there, are no findings


class Carried:
    """Both sides of one transfer as the targets of `verify`; they are looked at together, when they are listed."""

    kind = "owner"
    depth = Depth(Level.NAMES, Level.NAMES)

    def __init__(
        self, looking: Looking, route: TransferRoute, examination: Examination, level: Level | None, *, repairing: bool
    ) -> None:
        self.looking, self.route, self.examination = looking, route, examination
        self.level, self.repairing = level, repairing
        self._found: dict[Target, Examined] = {}
        self._levels = {None, Level.NAMES} | ({Level.PIXELS} if route.dicom == "import" else set())
        if level is Level.PIXELS and level in self._levels:  # what was imported is read again
            self.examination = replace(examination, reads=True)
            self.depth = Depth(Level.PIXELS, Level.NAMES)

    def targets(self) -> list[Target]:
        """List the entities of the source; Usage where they are to be looked at in a way that no transfer knows."""
        if self.level not in self._levels:
            raise Usage(
                f"the transfer {self.route.name} is compared by what both servers list: fields, sizes and MD5 digests",
                advice="Leave --level out, or name the other routes.",
            )
        if self.repairing:
            raise Usage(
                f"the transfer {self.route.name} is not repaired: nothing at its destination is overwritten",
                advice="Leave --repair out, or name the other routes; `xnatsync sync` sends what was never sent.",
            )
        known = {row.key: row.id for row in self.looking.ledger.owners(self.route.name)}
        self._found = {}
        for one in self.examination.entities():
            self.looking.check_stop()
            source = one.source
            target = Target(
                route=self.route.name, server=self.route.to_server, project=self.route.to_project,
                subject=source.subject, session=source.session if source.kind is OwnerKind.SESSION else "",
                session_id=one.there_id, ids=(known[source.key],) if source.key in known else (),
                files=one.comparison.files,
            )  # fmt: skip
            self._found[target] = one
        return list(self._found)

    def prepare(self, chosen: list[Target]) -> None:
        """Do nothing: everything was looked at when it was listed."""

    def examine(self, target: Target) -> Looked:
        """Say what was found of one entity."""
        return looked_at(target, self.depth, self._found[target])

    def again(self, target: Target) -> Looked:
        """Look anew at everything, as a run beside us may have changed it; what is gone is unverifiable."""
        for one in self.examination.entities():
            if one.source.key == self._found[target].source.key:
                return looked_at(target, self.depth, one)
        gone = Finding("server", Verdict.UNVERIFIABLE, None, "the source does not list it any more")
        return Looked(target, self.depth, findings=(gone,))

    def aside(self) -> list[Looked]:
        """Return nothing: what is at the destination alone belongs to its entity."""
        return []

    def note(self, looked: Looked) -> None:
        """Note nothing: a run looks at both sides by itself."""

    def mend(self, looked: Looked, *, rehearse: bool) -> list[Repair]:
        """Return nothing: a repair was refused when the entities were listed."""
        return []


def looked_at(target: Target, depth: Depth, one: Examined) -> Looked:
    """Say in the words of `verify` what was found of an entity; what is not complete is never the same."""
    findings = [
        Finding(
            "server", _VERDICTS[told.fate], "/".join(part for part in (told.part, told.name) if part) or None,
            f"{told.what}: {told.detail or told.fate.value}", max(told.count, 1),
        )
        for told in one.comparison.differences
        if told.fate in _VERDICTS
    ]  # fmt: skip
    if one.error is not None:
        findings.append(Finding("server", Verdict.UNVERIFIABLE, None, str(one.error)))
    elif not (one.is_complete or findings or one.source.home):
        findings.append(Finding("server", Verdict.MISSING, None, "nothing stands for it at the destination"))
    wrong = sum(found.count for found in findings if found.verdict is not Verdict.EXTRA)
    same = one.comparison.files
    return Looked(target, depth, server=Tally(same + wrong, same), findings=tuple(findings))
