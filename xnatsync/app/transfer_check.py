"""Would a transfer go through?  Both servers are asked for real, and nothing is changed on either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from xnatsync.core.errors import Exit, NotThere, XnatsyncError
from xnatsync.core.inventory import Inventory, Owner, OwnerKind
from xnatsync.core.labels import is_sent_label
from xnatsync.core.remote import ServerAbout
from xnatsync.core.transfer_filter import TransferFilter
from xnatsync.core.wording import counted
from xnatsync.ports.transfer import ProjectRules, TransferServer
from xnatsync.routes.transfer.survey import refuse_itself

State = Literal["ok", "problem", "warning"]
_NAMED: Final = 5
_CODES: Final = {"0": "prearchive", "4": "auto-archive", "5": "auto-archive, which overwrites"}


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer."""

    name: str
    state: State
    text: str
    code: str | None = None
    advice: str = ""


@dataclass(frozen=True, slots=True)
class TransferChecks:
    """All of them."""

    checks: tuple[Check, ...]
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One of the two servers, and what is asked of it."""

    name: str
    url: str
    project: str
    server: TransferServer
    about: Callable[[], ServerAbout]
    whoami: Callable[[], str]
    is_folder: bool = False


def transfer_checks(
    source: Asked,
    destination: Asked,
    chosen: TransferFilter,
    *,
    dicom: str,
    known: Mapping[str, str],
) -> TransferChecks:
    """Ask both; `known` are the accession IDs of the source that were transferred there, and what stands for each."""
    asking = _Asking(source, destination, chosen, dicom, known)
    asking.all()
    codes = [error.exit_code for error in asking.errors]
    problems = any(check.state == "problem" for check in asking.checks)
    return TransferChecks(tuple(asking.checks), max(codes) if codes else Exit.HELD if problems else Exit.OK)


class _Asking:
    """Asks one question after the other; what cannot be asked any more is left out."""

    def __init__(
        self, source: Asked, destination: Asked, chosen: TransferFilter, dicom: str, known: Mapping[str, str]
    ) -> None:
        self.source, self.destination, self.chosen = source, destination, chosen
        self.dicom, self.known = dicom, known
        self.checks: list[Check] = []
        self.errors: list[XnatsyncError] = []

    def all(self) -> None:
        """Ask everything."""
        mine = self._side("source", self.source)
        theirs = self._side("destination", self.destination)
        here = self._listed(self.source, "source project") if mine else None
        if here is not None:
            own = [owner for owner in here.owners if not owner.home]
            sessions = sum(owner.kind is OwnerKind.SESSION for owner in own)
            self._say("source project", "ok", f"{self.source.project} can be read: {counted(sessions, 'session')}")
            if not here.complete:
                self._say("source listing", "problem", "not everything of the project could be listed")
        rules = self._rules() if theirs else None
        if rules is None:
            return
        there = self._listed(self.destination, "destination project", absent=True)
        self._settings(rules)
        if here is not None:
            self._types(here, rules)
            self._space(here, rules)
            if not self.destination.is_folder:
                self._labels(here)
            if there is not None:
                self._is_another(here, there)
                self._clashes(here, there)

    def _side(self, what: str, side: Asked) -> bool:
        """Ask for version and login; of a folder there is neither."""
        if side.is_folder:
            self._say(f"{what} folder", "ok", f"it holds project {side.project}, or is to hold it")
            return True
        try:
            about = side.about()
            version = about.version or "of unknown version"
            self._say(f"{what} connection", "ok", f"{side.url} is XNAT {version}")
            self._say(f"{what} login", "ok", f"logged in as {side.whoami()}")
        except XnatsyncError as error:
            self._failed(f"{what} connection", error)
            return False
        return True

    def _listed(self, side: Asked, name: str, *, absent: bool = False) -> Inventory | None:
        try:
            return side.server.inventory(side.project, frozenset(OwnerKind))
        except NotThere as error:
            if not absent:
                self._failed(name, error)
        except XnatsyncError as error:
            self._failed(name, error)
        return None

    def _rules(self) -> ProjectRules | None:
        """Ask for the right to write."""
        side = self.destination
        try:
            rules = side.server.rules(side.project)
        except NotThere:
            words = f"{side.project} is not there, or this account may not see it: the transfer creates it"
            self._say("destination project", "warning", words)
            return ProjectRules()
        except XnatsyncError as error:
            self._failed("destination project", error)
            return None
        missing = [
            word
            for word, may in (("read", rules.may_read), ("create", rules.may_create), ("edit", rules.may_edit))
            if not may
        ]
        if missing:
            words = f"this account may not {' or '.join(missing)} in {side.project}"
            advice = "Ask for the right to create and edit there."
            self._say("destination project", "problem", words, advice=advice)
        else:
            self._say("destination project", "ok", f"{side.project} can be read and written to")
        return rules

    def _settings(self, rules: ProjectRules) -> None:
        """Say which settings would interfere."""
        notes = []
        if rules.quarantine_code not in {"", "0"}:
            notes.append("new sessions are quarantined: they are hidden before they are released")
        scripts = [word for word, is_on in (("site", rules.site_script), ("project", rules.project_script)) if is_on]
        if scripts and self.dicom == "import":
            notes.append(f"the anonymisation of the {' and of the '.join(scripts)} runs: DICOM is changed on arrival")
        elif scripts:
            script = " and of the ".join(scripts)
            notes.append(f"the anonymisation of the {script} does not see what is copied")
        if self.dicom == "import" and rules.prearchive_code == "5":
            notes.append("the project archives by itself and overwrites: sessions of one label are merged")
        if notes:
            self._say("destination settings", "warning", "; ".join(notes))
            return
        code = _CODES.get(rules.prearchive_code, "")
        self._say("destination settings", "ok", "nothing interferes" + (f" (uploads: {code})" if code else ""))

    def _types(self, here: Inventory, rules: ProjectRules) -> None:
        used = {owner.xsi_type for owner in self._wanted(here) if owner.xsi_type}
        if not rules.types:
            self._say("data types", "warning", "the destination does not show which data types it knows")
        elif unknown := sorted(used - rules.types):
            advice = "Install the plug-in that has them, or leave them out in the transfer's file."
            words = f"the destination does not know {', '.join(unknown[:_NAMED])}"
            self._say("data types", "problem", words, advice=advice)
        else:
            self._say("data types", "ok", f"the destination knows {counted(len(used), 'type')} that are used")

    def _space(self, here: Inventory, rules: ProjectRules) -> None:
        wanted = set(self._wanted(here))
        size = sum(seen.size or 0 for owner, found in here.owners.items() if owner in wanted for seen in found)
        if rules.free_bytes is None:
            self._say(
                "space", "warning", f"{_gigabytes(size)} to be carried; the free space of the destination is not known"
            )
        elif rules.free_bytes < size:
            words = f"{_gigabytes(size)} are to be carried, and {_gigabytes(rules.free_bytes)} are free"
            self._say("space", "problem", words, advice="Make room there, or leave something out.")
        else:
            self._say("space", "ok", f"{_gigabytes(size)} are to be carried, {_gigabytes(rules.free_bytes)} are free")

    def _labels(self, here: Inventory) -> None:
        """Look for labels that the destination would not keep as they are: those entities are refused."""
        odd = [
            _label(owner)
            for owner in self._wanted(here)
            if owner.kind is not OwnerKind.PROJECT and owner.id not in self.known and not is_sent_label(_label(owner))
        ]
        if odd:
            words = f"{counted(len(odd), 'label')} would not be kept as they are, such as {', '.join(odd[:_NAMED])}"
            advice = "Give them other labels at the source; else they are left out, and named."
            self._say("labels", "problem", words, advice=advice)

    def _is_another(self, here: Inventory, there: Inventory) -> None:
        """Make sure that the two ends are not one project under two addresses."""
        if self.source.is_folder or self.destination.is_folder:
            return
        try:
            refuse_itself(here, there)
        except XnatsyncError as error:
            self._failed("two projects", error)

    def _clashes(self, here: Inventory, there: Inventory) -> None:
        """Look for labels that are taken over there by what was not transferred."""
        ours = set(self.known.values())
        labels = {(owner.kind, _label(owner)): owner for owner in there.owners if owner.id not in ours}
        taken = [
            owner
            for owner in self._wanted(here)
            if owner.kind is not OwnerKind.PROJECT
            and owner.id not in self.known
            and (owner.kind, _label(owner)) in labels
        ]
        sessions = [owner for owner in taken if owner.kind is OwnerKind.SESSION]
        if sessions:
            names = ", ".join(owner.session for owner in sessions[:_NAMED])
            words = f"{counted(len(sessions), 'label')} of sessions are taken at the destination, such as {names}"
            advice = "They are compared: another study or type under one label is held, and never overwritten."
            self._say("names", "warning", words, advice=advice)
        elif taken:
            words = (
                f"{counted(len(taken), 'subject')} are there already: what they lack is added, nothing is overwritten"
            )
            self._say("names", "warning", words)
        else:
            self._say("names", "ok", "no label is taken")

    def _wanted(self, here: Inventory) -> Sequence[Owner]:
        return [
            owner
            for owner in here.owners
            if not owner.home
            and (owner.kind is not OwnerKind.SESSION or self.chosen.takes_session(owner.xsi_type, owner.session))
        ]

    def _say(self, name: str, state: State, text: str, *, advice: str = "") -> None:
        self.checks.append(Check(name, state, text, advice=advice))

    def _failed(self, name: str, error: XnatsyncError) -> None:
        self.errors.append(error)
        self.checks.append(Check(name, "problem", str(error), error.code, error.remedy))


def _label(owner: Owner) -> str:
    return owner.session or owner.subject or owner.id


def _gigabytes(size: int) -> str:
    return f"{size / 10**9:.1f} GB" if size >= 10**8 else f"{size / 10**6:.1f} MB"
