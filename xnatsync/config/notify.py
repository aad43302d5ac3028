"""`[notify.NAME]`: who hears of what needs a person.  Its address is a secret, and never in this file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from xnatsync.config.problems import Problem, problem_at
from xnatsync.config.values import Folder, LongSeconds, Name, Part, Seconds
from xnatsync.core.causes import ASKING, State

STATES = tuple(str(state) for state, asking in ASKING.items() if asking.person)


def _state(value: str) -> str:
    if value not in STATES:
        raise ValueError(f"must be one of {', '.join(STATES)}")
    return value


class NotifyConfig(Part):
    """`[notify.NAME]`"""

    url_file: Folder | None = None
    url_source: Literal["environment", "file", "keyring"] | None = None
    states: tuple[Annotated[str, AfterValidator(_state)], ...] = ()
    routes: tuple[Name, ...] = ()
    grace: Seconds = 600.0
    remind: LongSeconds = 86400.0
    per_hour: Annotated[StrictInt, Field(ge=1, le=60)] = 6
    resolved: StrictBool = True
    details: StrictBool = False

    @property
    def wanted(self) -> frozenset[State]:
        """Return the states that it hears of: all, if none is named."""
        return frozenset(State(word) for word in self.states or STATES)


def crossed_notify(text: str, targets: Mapping[str, NotifyConfig], names: Collection[str]) -> Iterator[Problem]:
    """Check what targets name against what there is; two of them must not read one variable."""
    first: dict[str, str] = {}
    for name, target in targets.items():
        for route in target.routes:
            if route not in names:
                yield problem_at(text, ("notify", name, "routes"), f"no route or job is called {route}")
        other = first.setdefault(name.replace("-", "_").upper(), name)
        if other != name:
            words = f"reads the same variable as target {other}: rename one"
            yield problem_at(text, ("notify", name), words)
        if target.url_source == "file" and target.url_file is None:
            yield problem_at(text, ("notify", name, "url_file"), 'url_source = "file" needs it')
