"""One study for several servers: a unit for each, of the same files; the item is filed when all of them hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from xnatsync.core.group import Study
from xnatsync.ledger.rows import NewUnit
from xnatsync.routes.drop.settings import DropRoute


def twins(route: DropRoute, studies: Sequence[Study], planned: Sequence[NewUnit]) -> Iterator[NewUnit]:
    """Plan what goes to the further places of a route; a study that is held goes nowhere, and is planned again later.

    A rule or a person may send a study to a project that is a further place itself: it goes there once.
    """
    for index, (study, unit) in enumerate(zip(studies, planned, strict=True)):
        if study.error is not None or not study.session:
            continue
        for also in route.also:
            project = also.project or unit.project
            if (also.server, project) != (unit.server, unit.project):
                target = route.target(also.server, project, unit.session)
                yield replace(unit, server=also.server, project=project, target=target, twin=index)
