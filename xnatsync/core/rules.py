"""Which rule takes a study?  The first whose conditions all hold; those behind it are not asked.

Everything here is decided from what the objects of a study say, where they lie, and the lookup tables as they are.
No message holds a value of a header or of a table: it names the field, the pattern of the rule, or the line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from xnatsync.core.errors import DeliveryError, LabelUnusable, NoRule, RuleHolds, TableMiss, TableUnusable
from xnatsync.core.labels import Template
from xnatsync.core.lookup_table import Near, Table, TableInvalid

How = Literal["like", "is", "regex"]
PATH = "path"  # how the condition on where the files lie is called
_NEAREST_MAX = 3


@dataclass(frozen=True, slots=True)
class Matcher:
    """What a value must be: like a shell pattern, exactly a text, or a text in which an expression finds something."""

    text: str
    how: How = "like"

    def found(self, value: str) -> Mapping[str, str] | None:
        """Return what the named groups of the expression caught; None when the value does not match."""
        if self.how == "regex":
            match = re.compile(self.text).search(value)
            return None if match is None else {name: text or "" for name, text in match.groupdict().items()}
        matches = value == self.text if self.how == "is" else fnmatchcase(value, self.text)
        return {} if matches else None

    @property
    def groups(self) -> frozenset[str]:
        """List the named groups."""
        return frozenset(re.compile(self.text).groupindex) if self.how == "regex" else frozenset()

    @property
    def words(self) -> str:
        """Say it as a condition that does not hold."""
        if not self.text:
            return "is not empty"
        return {"like": "is not like", "is": "is not", "regex": "does not match"}[self.how] + f" {self.text}"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A lookup table that a rule asks: the row in which these columns hold what the templates make."""

    file: str
    match: Mapping[str, Template]
    missing: Literal["hold", "next"] = "hold"


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of studies of which every condition holds: where they go, or that they are held or left out."""

    when: Mapping[str, str | Matcher]
    project: str | Template | None = None  # None: the route's
    subject: Template | None = None
    session: Template | None = None
    name: str = ""
    path: Matcher | None = None
    table: Lookup | None = None
    then: Literal["send", "hold", "ignore"] = "send"
    why: str = ""  # why it holds
    destination: Literal["archive", "prearchive"] | None = None
    collision: Literal["hold", "suffix"] | None = None

    @property
    def conditions(self) -> Iterator[tuple[str, Matcher]]:
        """List the conditions by what they are about."""
        for keyword, wanted in self.when.items():
            yield keyword, wanted if isinstance(wanted, Matcher) else Matcher(wanted)
        if self.path is not None:
            yield PATH, self.path

    @property
    def templates(self) -> Iterator[Template]:
        """List the templates that it fills."""
        for part in (self.project, self.subject, self.session):
            if isinstance(part, Template):
                yield part
        if self.table is not None:
            yield from self.table.match.values()

    @property
    def columns(self) -> frozenset[str]:
        """List the columns of its table that its templates name."""
        names = {name for part in self.templates for name in part.given}
        return frozenset(name.removeprefix("table.") for name in names if name.startswith("table."))


@dataclass(frozen=True, slots=True)
class Passed:
    """A rule that did not take a study, and which of its conditions did not hold."""

    number: int
    name: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """Which rule took a study: `number` counts from 1, 0 = none did.  Rules behind it were not asked."""

    number: int = 0
    rule: Rule | None = None
    names: Mapping[str, str] = field(default_factory=dict)  # what its groups caught, and its row: for templates
    passed: tuple[Passed, ...] = ()
    error: DeliveryError | None = None  # why the study cannot go by it

    @property
    def called(self) -> str:
        """Name the rule for people; "" when none took it."""
        return "" if self.rule is None else rule_name(self.number, self.rule.name)


TableState = Table | str  # a string: why there is none


def rule_name(number: int, name: str) -> str:
    """Name a rule for people: by its place, and by its name where it has one."""
    return f"rule {number} ({name})" if name else f"rule {number}"


def first_rule(
    rules: Sequence[Rule],
    values: Mapping[str, Collection[str]],
    paths: Collection[str],
    tags: Mapping[str, str],
    tables: Mapping[str, TableState],
) -> Ruling:
    """Ask the rules one after the other until one takes the study.

    `values`: what the objects say in each field; `paths`: where they lie; `tags`: one value a field, for templates.
    """
    passed: list[Passed] = []
    for number, rule in enumerate(rules, 1):
        why, names, split = _asked(rule, values, paths)
        if why:
            passed.append(Passed(number, rule.name, why))
            continue
        before = tuple(passed)
        if split:
            error: DeliveryError = LabelUnusable(
                f"the series of this study disagree about {', '.join(split)}, and the rules would send them to "
                f"different places"
            )
            return Ruling(number, rule, names, before, error)
        try:
            row = _row(rule, number, {**tags, **names}, tables)
        except DeliveryError as refused:
            return Ruling(number, rule, names, before, refused)
        if row is None:
            passed.append(Passed(number, rule.name, ("its table has no row for it",)))
            continue
        names = {**names, **{f"table.{column}": text for column, text in row.items()}}
        held = _held(rule, number) if rule.then == "hold" else None
        return Ruling(number, rule, names, before, held)
    return Ruling(passed=tuple(passed))


def no_rule(passed: Sequence[Passed]) -> NoRule:
    """Say that no rule takes a study, and which ones nearly did."""
    fewest = min((len(one.why) for one in passed), default=0)
    nearest = [one for one in passed if len(one.why) == fewest][:_NEAREST_MAX]
    told = "; ".join(f"{rule_name(one.number, one.name)}, but {' and '.join(one.why)}" for one in nearest)
    return NoRule(f"no rule of the route matches this study{f'; the nearest: {told}' if told else ''}")


def _held(rule: Rule, number: int) -> RuleHolds:
    return RuleHolds(f"{rule_name(number, rule.name)} holds it for a person{f': {rule.why}' if rule.why else ''}")


def _asked(
    rule: Rule, values: Mapping[str, Collection[str]], paths: Collection[str]
) -> tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]:
    """Ask each condition: those that do not hold, what the groups caught, and the fields that hold only for a part."""
    why: list[str] = []
    names: dict[str, str] = {}
    split: list[str] = []
    for keyword, matcher in rule.conditions:
        said = paths if keyword == PATH else values.get(keyword)
        found = [matcher.found(value) for value in sorted(said or {""})]
        caught = [one for one in found if one is not None]
        if not caught:
            why.append(f"{keyword} {matcher.words}" if said else f"{keyword} says nothing")
            continue
        if len(caught) < len(found) or any(one != caught[0] for one in caught):
            split.append(keyword)
        names |= caught[0]
    return tuple(why), names, tuple(sorted(split))


def _row(
    rule: Rule, number: int, tags: Mapping[str, str], tables: Mapping[str, TableState]
) -> Mapping[str, str] | None:
    """Find the row of its table; None where the next rule is to be asked."""
    if rule.table is None:
        return {}
    table = tables.get(rule.table.file, "it was not read")
    called = f"the table of {rule_name(number, rule.name)}"
    if isinstance(table, str):
        raise TableUnusable(f"{called} cannot be used: {table}")
    wanted = {column: template.raw(tags) for column, template in rule.table.match.items()}
    fields = ", ".join(sorted({name for template in rule.table.match.values() for name in template.keywords}))
    try:
        row = table.find(wanted)
    except TableInvalid as error:
        raise TableUnusable(f"{called} cannot be used: {error}") from None
    if isinstance(row, Near):
        lines = ", ".join(map(str, row.lines))
        raise TableMiss(
            f"{called} has no row for the {fields} of this study, and line {lines} is nearly it: the two differ only "
            "in case, blanks, punctuation or leading zeros"
        )
    if row is None and rule.table.missing == "hold":
        raise TableMiss(f"{called} has no row for the {fields} of this study")
    return row
