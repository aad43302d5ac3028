"""From a look at both sides to what is wanted: the pure core is asked about each fact and part; nothing is done.

Of files see `decide_files`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xnatsync.core.described import Described, Part, Share, ThingKind
from xnatsync.core.errors import ChangedThere, GoneAtSource, GoneThere, LabelTaken, NotCarried, RenamedThere
from xnatsync.core.imported import MENDED, is_filled_in
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.transfer_decision import (
    SENT,
    UNSURE,
    AgreedFact,
    Landing,
    OfFact,
    OfPart,
    decide_fact,
    decide_part,
)
from xnatsync.ledger.counterparts import CounterpartRow
from xnatsync.ledger.tree_rows import DeedRow
from xnatsync.routes.transfer.facts import (
    CUSTOM,
    SHARE,
    digests,
    facts_here,
    facts_there,
    stand_ins,
    text_of,
    without_identity,
)
from xnatsync.routes.transfer.objects import Objects
from xnatsync.routes.transfer.survey import TransferSurvey
from xnatsync.routes.transfer.wanted import Change, Create, Look, Noted, Wanted
from xnatsync.routes.transfer.world import TransferWorld

CREATE, FIELDS, CUSTOM_FORMS, SHARES = "/create", "/fields", "/custom", "/share"


@dataclass(slots=True)
class Deciding:
    """One look on its way to what is wanted."""

    world: TransferWorld
    survey: TransferSurvey
    look: Look
    known: Mapping[str, CounterpartRow]
    dry: bool = False  # for a plan: what is created at once with a new entity is named as well
    objects: Objects | None = None  # of a session that goes by import
    wanted: Wanted = field(default_factory=Wanted)
    present: dict[str, Part] = field(default_factory=dict)  # by part: how it is addressed at the destination
    barred: set[str] = field(default_factory=set)  # parts of which nothing is sent

    def things(self) -> None:
        """Decide about the entity and its parts; where it is not there yet, only about itself."""
        look = self.look
        for left in look.left:
            why = "its ID is the whole site's, and this server has it already"
            self.wanted.tell(str(left), NotCarried.code, why, person=False)
        if not self._thing("", look.here, look.there):
            if self.dry and self.wanted.effects:
                self.wanted.effects += [
                    Create(text_of(part), part, {})
                    for part in look.here.parts
                    if not self.is_imported(text_of(part), part)
                ]
            return
        scans = self.objects.scans_there() if self.objects is not None else {}
        found = stand_ins(look.here, look.there, self.known, scans)
        for part in look.here.parts:
            self._thing(text_of(part), part, found[text_of(part)])
        mine = {text_of(part) for part in look.here.parts}
        theirs = {part.id for part in look.there.parts} if look.there is not None else set()
        for text, row in self.known.items():
            if text and text not in mine and row.there_id in theirs:
                self.wanted.tell(text, GoneAtSource.code, "the source no longer has it", person=False)

    def _thing(self, text: str, here: Described, there: Described | None) -> bool:
        """Decide about one; True when it is at the destination."""
        row = self.known.get(text)
        known = row is not None and bool(row.there_id) and not _is_unseen(row)
        if self.is_imported(text, here):
            return self._imported(text, here, there, row)
        match decide_part(here, there, known=known, repair=self.survey.route.repair):
            case OfPart.CREATE:
                if self._is_quiet(text, CREATE):
                    self.wanted.effects.append(Create(text, self._sent(here), self._pending(here)))
                else:
                    self.barred.add(text)
            case OfPart.PRESENT:
                assert there is not None
                self._present(text, here, there, row)
                return True
            case OfPart.GONE:
                self.wanted.tell(text, GoneThere.code, f"{_called(here)} was deleted at the destination", person=True)
                self.barred.add(text)
            case OfPart.TAKEN:
                assert there is not None
                why = f"{_called(here)} of the source and {_called(there)} of the destination are not the same"
                self.wanted.tell(text, LabelTaken.code, why, person=True)
                self.barred.add(text)
            case OfPart.STALE | OfPart.NOT_OURS:
                raise AssertionError("a thing of the source is there")
        return False

    def is_imported(self, text: str, thing: Described) -> bool:
        """Return whether an import makes a thing: a session or a scan of which the source has an object."""
        if self.objects is None or thing.kind not in {ThingKind.SESSION, ThingKind.SCAN}:
            return False
        return text in self.objects.scans_here() if text else bool(self.objects.scans_here())

    def _imported(self, text: str, here: Described, there: Described | None, row: CounterpartRow | None) -> bool:
        """Decide about what an import makes: it is known by its objects, whatever it is called or says of itself."""
        assert self.objects is not None
        is_strange = not text and self.objects.held is not None and not (row is not None and row.there_id)
        if there is not None and not is_strange:
            self._present(text, here, there, row)
            return True
        self.barred.add(text)
        if row is not None and row.there_id and self.objects.held is None:
            self.wanted.tell(text, GoneThere.code, f"{_called(here)} was deleted at the destination", person=True)
        elif text and any(place[0].scan == text and row.sop_uid in self.objects.there
                          for place, row in self.objects.rows.items()):  # fmt: skip
            why = "its objects are in a scan of the destination that stands for another one of the source"
            self.wanted.tell(text, NotCarried.code, why, person=False)
        else:
            self.wanted.cut = True  # it waits for its objects
        return False

    def _present(self, text: str, here: Described, there: Described, row: CounterpartRow | None) -> None:
        self.present[text] = Part(there.kind, there.name) if text else Part()
        if text == "" and here.kind is not ThingKind.PROJECT and there.name != here.name:
            why = f"it is called {here.name} at the source and {there.name} at the destination"
            self.wanted.tell(text, RenamedThere.code, why, person=False)
        facts = dict(row.facts) if row is not None else {}
        if self.is_imported(text, here):
            facts = {path: fact for path, fact in facts.items() if not is_filled_in(here.kind, path)}
        self.wanted.noted[text] = Noted(here.id, there.id, there.name, facts)
        self._unshared(text, here.shares)
        self._facts(text, here, there, facts)

    def _unshared(self, text: str, shares: tuple[Share, ...]) -> None:
        for share in shares:
            if share.project not in self.survey.projects:
                why = f"it is shared with {share.project}, which is not transferred"
                self.wanted.tell(text, NotCarried.code, why, person=False)

    # --- facts -------------------------------------------------------------------------------------------------------

    def _facts(self, text: str, here: Described, there: Described, facts: dict[str, tuple[str, str]]) -> None:
        """Decide about each fact; `facts` are those of the ledger, and become those of now."""
        values = self._here(here)
        mine, theirs = digests(values), digests(facts_there(there))
        if self.is_imported(text, here):
            here = replace(here, xsi_type=there.xsi_type, root=there.root)  # the server chose it by what came
            mine = {path: digest for path, digest in mine.items() if not is_filled_in(here.kind, path)}
            self._mend(text, mine, theirs, facts)
        due: dict[str, list[str]] = {}
        for path in sorted({*mine, *facts}):
            one, other = mine.get(path, ""), theirs.get(path, "")
            agreed = AgreedFact(*facts[path]) if path in facts else None
            landing = (
                self._landing(text, path) if agreed is not None and agreed.there.startswith(SENT) else Landing.OPEN
            )
            answer = decide_fact(one, other, agreed, landing=landing, repair=self.survey.route.repair)
            if answer is OfFact.SET:
                due.setdefault(_effect_of(path), []).append(path)
            elif answer in {OfFact.AGREED, OfFact.KEPT_OTHERWISE}:
                facts[path] = one, other
            elif answer is OfFact.UNSURE:
                facts[path] = one, UNSURE + other
            self._tell(text, path, answer, is_first=agreed is None)
        for effect, paths in due.items():
            if self._is_quiet(text, effect):
                pending = {path: (mine[path], SENT + theirs.get(path, "")) for path in paths}
                wanted = {path: values[path] for path in paths}
                self.wanted.effects.append(Change(text, here, self.present[text], wanted, pending))

    def _mend(
        self, text: str, mine: Mapping[str, str], theirs: Mapping[str, str], facts: dict[str, tuple[str, str]]
    ) -> None:
        """At the first look at what an import of ours made, take what it filled in for nobody's own word."""
        assert self.objects is not None
        if facts or not self.objects.is_ours(text or None):
            return
        for path in mine:
            if theirs.get(path, "") not in {"", mine[path]}:
                facts[path] = ("", theirs[path]) if path in MENDED else (mine[path], theirs[path])

    def _tell(self, text: str, path: str, answer: OfFact, *, is_first: bool) -> None:
        """Say what is not in agreement; no value is told (S8)."""
        place = f"{text}:{path}" if text else path
        of_project = self.look.here.kind is ThingKind.PROJECT
        match answer:
            case OfFact.KEPT_OTHERWISE | OfFact.UNSURE:
                self.wanted.tell(
                    place, NotCarried.code, "the destination does not keep it as it was sent", person=False
                )
            case OfFact.CHANGED:
                why = "the destination has another value" + (" and had it before" if is_first else "")
                self.wanted.tell(place, ChangedThere.code, why, person=not (of_project and is_first))
            case OfFact.GONE:
                self.wanted.tell(place, GoneThere.code, "it was removed at the destination", person=True)
            case OfFact.STALE:
                self.wanted.tell(place, GoneAtSource.code, "the source no longer has it", person=False)
            case OfFact.AGREED | OfFact.SET | OfFact.NOT_OURS:
                pass

    def _sent(self, thing: Described) -> Described:
        """Return a thing as it may be written."""
        return without_identity(thing) if self.survey.route.dicom == "import" else thing

    def _here(self, thing: Described) -> dict[str, str]:
        route = self.survey.route
        return facts_here(self._sent(thing), self.survey.projects, one_server=route.server == route.to_server)

    def _pending(self, thing: Described) -> dict[str, tuple[str, str]]:
        """Return the facts that go with a creation: its fields; the others follow when it is there."""
        found = digests(self._here(thing))
        return {path: (digest, SENT) for path, digest in found.items() if _effect_of(path) == FIELDS}

    # --- what was done before ----------------------------------------------------------------------------------------

    def _landing(self, text: str, path: str) -> Landing:
        effect = _effect_of(path)
        names = (effect, CREATE) if effect == FIELDS else (effect,)
        deeds = [deed for name in names if (deed := self._deed(text, name)) is not None]
        last = max(deeds, key=lambda deed: deed.id, default=None)
        if last is None or last.outcome in {None, "unknown"}:
            return Landing.OPEN
        return Landing.TAKEN if last.outcome == "ok" else Landing.REFUSED

    def _is_quiet(self, text: str, effect: str) -> bool:
        """Return whether a change may be made: no earlier one of its kind may still land."""
        deed = self._deed(text, effect)
        if deed is None or deed.outcome not in {None, "unknown"} or self.world.now() >= deed.quiet_at:
            return True
        self.wanted.later = max(self.wanted.later, deed.quiet_at)
        return False

    def _deed(self, text: str, effect: str) -> DeedRow | None:
        return self.world.latest_deed(self.survey.route, self.look.row.id, ResourceKey(text, ""), effect)


def _effect_of(path: str) -> str:
    if path.startswith(SHARE):
        return f"{SHARES}/{path.removeprefix(SHARE)}"
    return CUSTOM_FORMS if path.startswith(CUSTOM) else FIELDS


def _is_unseen(row: CounterpartRow) -> bool:
    """Return whether the destination said that it made something and never showed it: nobody deleted it there."""
    return bool(row.facts) and all(there.startswith(SENT) for _, there in row.facts.values())


def _called(thing: Described) -> str:
    """Name a thing with its type and, of a session, the study: two of one label are told apart."""
    words = [f"{thing.kind.value} {thing.name}"]
    words += [thing.xsi_type] if thing.xsi_type else []
    return " ".join(words)
