"""What stands at the destination of a transfer for what of the source, and what each run of a transfer did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from xnatsync.ledger.connection import Connection, Value

Facts = Mapping[str, tuple[str, str]]  # by path: digests of what source and destination showed; "" for nothing


@dataclass(frozen=True, slots=True)
class CounterpartRow:
    """Something of the source, and what stands for it at the destination."""

    owner_id: int
    part: str  # "" for the entity itself; else as `core.described.Part` writes it
    source_id: str
    there_id: str
    there_label: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class TransferRunRow:
    """One run of one transfer."""

    run_id: int
    route: str
    server: str
    project: str
    to_server: str
    to_project: str
    started_at: str
    ended_at: str | None
    outcome: str | None  # complete | partial | stopped | interrupted | failed
    counts: Mapping[str, int]


RUN = ", ".join(field.name for field in fields(TransferRunRow))
COUNTERPART = ", ".join(field.name for field in fields(CounterpartRow))


class Counterparts(Connection):
    """What the ledger knows of transfers alone."""

    def note_counterpart(
        self, owner_id: int, part: str, *, source_id: str, there_id: str, there_label: str, facts: Facts
    ) -> None:
        """Note what stands at the destination for a thing, and what both sides showed of its fields."""
        with self.write():
            self._run(
                f"insert into counterpart ({COUNTERPART}) values (?, ?, ?, ?, ?, ?) on conflict (owner_id, part) do "
                "update set source_id = excluded.source_id, there_id = excluded.there_id, "
                "there_label = excluded.there_label, facts = excluded.facts",
                [owner_id, part, source_id, there_id, there_label, json.dumps({k: list(v) for k, v in facts.items()})],
            )

    def counterparts(self, owner_id: int) -> dict[str, CounterpartRow]:
        """Return what stands at the destination for an entity and its parts, by part."""
        rows = self._fetch(f"select {COUNTERPART} from counterpart where owner_id = ?", [owner_id])
        return {row.part: row for row in map(_counterpart, rows)}

    def counterparts_of(self, route: str) -> dict[int, CounterpartRow]:
        """Return what stands at the destination for each entity of a route, by number: without their parts."""
        columns = ", ".join(f"c.{field.name}" for field in fields(CounterpartRow))
        sql = f"select {columns} from counterpart c join owner o on o.id = c.owner_id where o.route = ? and c.part = ''"
        return {row.owner_id: row for row in map(_counterpart, self._fetch(sql, [route]))}

    # --- what the listings told --------------------------------------------------------------------------------------

    def note_look(self, owner_id: int, here: str, there: str) -> None:
        """Note what listings had told of an entity before it was looked at and found in agreement."""
        with self.write():
            self._run(
                "insert into agreed_look (owner_id, here, there) values (?, ?, ?) on conflict (owner_id) do update set "
                "here = excluded.here, there = excluded.there",
                [owner_id, here, there],
            )

    def agreed_looks(self, route: str) -> dict[int, tuple[str, str]]:
        """Return what listings had told of each entity that is in agreement, by number."""
        sql = (
            "select a.owner_id, a.here, a.there from agreed_look a join owner o on o.id = a.owner_id "
            "where o.route = ? and o.phase = 'agreed'"
        )
        return {int(number): (str(here), str(there)) for number, here, there in self._fetch(sql, [route])}

    # --- runs ----------------------------------------------------------------------------------------------------

    def begin_transfer_run(
        self, run_id: int, route: str, *, server: str, project: str, to_server: str, to_project: str, now: str
    ) -> None:
        """Begin the row of a run; one that is there already, of an earlier pass of the same run, stays."""
        with self.write():
            self._run(
                "insert into transfer_run (run_id, route, server, project, to_server, to_project, started_at) "
                "values (?, ?, ?, ?, ?, ?, ?) on conflict (run_id, route) do nothing",
                [run_id, route, server, project, to_server, to_project, now],
            )

    def end_transfer_run(self, run_id: int, route: str, outcome: str, counts: Mapping[str, int], now: str) -> None:
        """Note how a run ended."""
        with self.write():
            self._run(
                "update transfer_run set ended_at = ?, outcome = ?, counts = ? where run_id = ? and route = ?",
                [now, outcome, json.dumps(dict(counts)), run_id, route],
            )

    def transfer_runs(
        self, *, project: str | None = None, route: str | None = None, limit: int = 1000
    ) -> list[TransferRunRow]:
        """List the newest runs of transfers, of a source project or a route, the newest first."""
        conditions, values = ["1"], list[Value]()
        for column, value in (("project", project), ("route", route)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        sql = f"select {RUN} from transfer_run where {' and '.join(conditions)} order by run_id desc, route limit ?"
        rows = self._fetch(sql, [*values, limit])
        return [TransferRunRow(*row[:-1], json.loads(row[-1])) for row in rows]  # type: ignore[call-arg]

    def transferred_projects(self, server: str, to_server: str) -> dict[str, str]:
        """Return which projects of a source were ever transferred to a destination: source ID -> destination ID."""
        sql = "select project, to_project from transfer_run where server = ? and to_server = ? order by run_id, route"
        return {str(project): str(there) for project, there in self._fetch(sql, [server, to_server])}


def _counterpart(row: tuple[Value, ...]) -> CounterpartRow:
    number, part, source_id, there_id, there_label, facts = row
    found = json.loads(str(facts))
    return CounterpartRow(
        int(number or 0), str(part), str(source_id), str(there_id), str(there_label),
        {path: (here, there) for path, (here, there) in found.items()},
    )  # fmt: skip
