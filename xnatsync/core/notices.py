"""Which messages go out now: one decision over causes, what each target was sent before, and the rate it may have.

Messages are grouped by place.  A target gets no more than `per_hour` of them in an hour: what would be more waits, and
goes as one digest.  A cause is sent once, as a reminder while it lasts, and once more when it is over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from xnatsync.core.causes import ASKING, State, advice_for, sentence_of
from xnatsync.core.moment import clock_words, later, seconds_between
from xnatsync.core.wording import counted

What = Literal["new", "reminder", "resolved"]
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Episode:
    """A cause from its begin to its end, as the ledger keeps it."""

    id: int
    state: State
    place: str
    code: str
    many: int
    since: str
    note: str
    opened_at: str  # when it was first noticed
    seen_at: str
    ended_at: str | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """What a target was sent of one episode."""

    last_at: str
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What a target wants to hear."""

    states: frozenset[State] = frozenset(State)
    places: frozenset[str] | None = None  # None: all; the agent's own place is always in it
    grace_s: float = 600.0
    remind_s: float = 86400.0  # 0: never
    per_hour: int = 6
    resolved: bool = True
    details: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is to be sent."""

    title: str
    body: str
    parts: tuple[tuple[int, What], ...]

    @property
    def is_good_news(self) -> bool:
        """Return whether it says only what is over."""
        return all(what == "resolved" for _, what in self.parts)


@dataclass(slots=True)
class _Group:
    place: str
    parts: list[tuple[Episode, What]] = field(default_factory=list)


def plan(
    now: str,
    settings: Settings,
    episodes: Iterable[Episode],
    before: Mapping[int, Before],
    sent: Collection[str],
    *,
    is_behind: bool = False,
    details: Mapping[int, str] | None = None,
) -> list[Draft]:
    """Return the messages for one target; `sent`: when messages were made for it, `is_behind`: some are not out yet."""
    groups: dict[str, _Group] = {}
    for episode in episodes:
        what = _due(now, settings, episode, before.get(episode.id), is_behind=is_behind)
        if what is not None:
            groups.setdefault(episode.place, _Group(episode.place)).parts.append((episode, what))
    since = later(now, -HOUR_S)
    room = settings.per_hour - sum(since < at <= now for at in sent)
    if not groups or room <= 0:
        return []
    shown = details if settings.details and details is not None else {}
    found = [groups[place] for place in sorted(groups)]
    if len(found) <= room - 1 or (len(found) == 1 and room == 1):
        return [_draft([group], shown) for group in found]
    return [_draft(found, shown)]


def _due(now: str, settings: Settings, one: Episode, before: Before | None, *, is_behind: bool) -> What | None:
    asking = ASKING[one.state]
    if not asking.person or one.state not in settings.states or not _concerns(settings, one.place):
        return None
    if before is None:
        if one.ended_at is not None and not asking.passing:
            return None
        waited_s = seconds_between(one.opened_at, now)
        return "new" if asking.urgent or not 0 <= waited_s < settings.grace_s else None
    if before.is_closed or asking.passing:
        return None
    if one.ended_at is not None:
        return "resolved" if settings.resolved else None
    passed_s = seconds_between(before.last_at, now)
    return "reminder" if 0 < settings.remind_s <= passed_s and not is_behind else None


def _concerns(settings: Settings, place: str) -> bool:
    return settings.places is None or place in settings.places or " " not in place


def _draft(groups: Sequence[_Group], details: Mapping[int, str]) -> Draft:
    parts = [part for group in groups for part in group.parts]
    lines: list[str] = []
    for group in groups:
        lines.append(group.place)
        for episode, what in group.parts:
            lines += _lines(episode, what, details.get(episode.id, ""))
        lines.append("")
    return Draft(_title(groups, parts), "\n".join(lines).strip(), tuple((one.id, what) for one, what in parts))


def _title(groups: Sequence[_Group], parts: Sequence[tuple[Episode, What]]) -> str:
    where = groups[0].place if len(groups) == 1 else counted(len(groups), "place")
    if all(what == "resolved" for _, what in parts):
        return f"xnatsync: {where}: resolved"
    if len(parts) == 1:
        (episode, what), again = parts[0], "still: "
        code = f" ({episode.code})" if episode.code else ""
        return f"xnatsync: {where}: {again if what == 'reminder' else ''}{_first(episode)}{code}"
    return f"xnatsync: {where}: {counted(sum(what != 'resolved' for _, what in parts), 'cause')}"


def _first(one: Episode) -> str:
    asking = ASKING[one.state]
    return f"{counted(one.many, asking.things)} {asking.sentence}" if asking.things else asking.sentence


def _lines(one: Episode, what: What, detail: str) -> list[str]:
    sentence = sentence_of(one.state, one.code, one.many, one.note)
    code = f"  [{one.code}]" if one.code else ""
    if what == "resolved":
        ended = clock_words(one.ended_at) if one.ended_at is not None else ""
        return [f"* resolved: {sentence}{code}", f"  from {clock_words(one.since)} to {ended}"]
    head = "still: " if what == "reminder" else ""
    lines = [f"* {head}{sentence}{code}", f"  since {clock_words(one.since)}"]
    if detail:
        lines.append(f"  {detail}")
    return [*lines, f"  what to do: {advice_for(one.state, one.code)}"]
