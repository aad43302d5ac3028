"""What a command names instead of a drop folder: in some histories the route is that of `session upload`.

The source is a thing in the folder, named anew at every start of a process; the destination is one session.  Most of
them send their objects one request each (`--gradual`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import places
from sim.faults import Chance
from xnatsync.core.drop_selection import EVERY_DROP
from xnatsync.core.given import Given
from xnatsync.core.group import Routing
from xnatsync.core.labels import Template
from xnatsync.routes.drop.settings import DropRoute

if TYPE_CHECKING:
    from sim.world import History

GIVEN_OF = 13  # in one history of so many a command names source and destination
OBJECT = "xnat.import_object"
PROJECT, SUBJECT, SESSION = "P1", "SUB1", "GIVEN_1"
NAMES = ("exam1", "exam2")


def is_drawn(seed: int, spot: places.Cell | None) -> bool:
    """Tells whether the route of a history is a command's."""
    return spot[1] == OBJECT if spot is not None else seed % GIVEN_OF == GIVEN_OF - 2


def spot(seed: int) -> places.Cell | None:
    """Where something happens again and again: mostly while an object is sent by itself."""
    chance = Chance(f"{seed}/given spot/0")
    cells = [cell for cell in places.possible() if cell[1] == OBJECT]
    cells += [(kind, OBJECT) for kind in ("delayed", "elsewhere", "turned away")] * 3
    cells += [(kind, f"{OBJECT}{when}") for kind in ("crash", "worker") for when in ("", ", within", ", done")] * 2
    return chance.choice(cells) if chance.random() < 0.7 else None


def settings(chance: Chance) -> dict[str, Any]:
    """What is otherwise than on a configured route."""
    transport = chance.choice(("gradual", "gradual", "gradual", "zip", "tar"))
    given = Given(SUBJECT, SESSION, "", transport=transport, unparsable=chance.choice(("hold", "leave")))
    return {
        "given": given, "after": "keep", "other": "ignore", "collision": "hold", "member_names": "uid",
        "settle_s": 0.0, "wanted": EVERY_DROP, "wait_while": (),
        "routing": Routing(PROJECT, Template.parse(SUBJECT), Template.parse(SESSION)),
    }  # fmt: skip


def named(history: History, chance: Chance) -> Sequence[DropRoute]:
    """The route as a command names it now: one of the things that are there; once all is quiet, each of them."""
    route = history.route
    assert route.given is not None
    there = sorted({Path(name).parts[2] for name in history.dropped_files()}) or [NAMES[0]]
    if history.faults.on:
        there = [chance.choice(there)]
    return [replace(route, given=replace(route.given, source=str(route.folder / name))) for name in there]
