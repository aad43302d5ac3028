"""The running agent: what it is asked and what it answers, how it stands, and what it runs by schedule."""

from __future__ import annotations

from dataclasses import dataclass, fields

from xnatsync.ledger.connection import Connection


@dataclass(frozen=True, slots=True)
class RequestRow:
    """What a command asks of the running agent, and the answer."""

    id: int
    verb: str
    args: str  # JSON
    asked_at: str
    taken_at: str | None = None
    done_at: str | None = None
    reply: str | None = None  # JSON


@dataclass(frozen=True, slots=True)
class JobRow:
    """When something that has a schedule ran last, and how that ended."""

    name: str
    since: str
    began_at: str | None
    ended_at: str | None
    exit_code: int | None
    code: str | None


@dataclass(frozen=True, slots=True)
class AgentRow:
    """The agent that runs, or ran last."""

    pid: int
    boot_id: str
    since: str
    beat_at: str
    told: str  # JSON


REQUEST = ", ".join(field.name for field in fields(RequestRow))
JOB = ", ".join(field.name for field in fields(JobRow))
AGENT = ", ".join(field.name for field in fields(AgentRow))


class Agents(Connection):
    """What the ledger knows of the agent."""

    # --- the mailbox ---------------------------------------------------------------------------------------------

    def ask(self, verb: str, args: str, now: str) -> int:
        """Leave a request; gives its number."""
        with self.write():
            return self._insert("request", verb=verb, args=args, asked_at=now)

    def open_requests(self) -> list[RequestRow]:
        """List the requests that have no answer yet, in the order in which they came."""
        return self._all(RequestRow, f"select {REQUEST} from request where done_at is null order by id")

    def request(self, number: int) -> RequestRow | None:
        """Return a request as it stands; None when it was taken back, or forgotten."""
        return self._one(RequestRow, f"select {REQUEST} from request where id = ?", [number])

    def take_request(self, number: int, now: str) -> bool:
        """Note that a request is being served; False when it was taken back, or has its answer."""
        with self.write():
            sql = "update request set taken_at = ? where id = ? and done_at is null"
            return self._run(sql, [now, number]).rowcount > 0

    def answer(self, number: int, reply: str, now: str) -> None:
        """Answer a request, once."""
        with self.write():
            self._run(
                "update request set reply = ?, done_at = ? where id = ? and done_at is null", [reply, now, number]
            )

    def take_back(self, number: int) -> bool:
        """Take back a request that nobody serves yet; False when somebody does, or did."""
        with self.write():
            return self._run("delete from request where id = ? and taken_at is null", [number]).rowcount > 0

    def forget_answers(self, before: str) -> None:
        """Forget what was answered before a moment."""
        with self.write():
            self._run("delete from request where done_at < ?", [before])

    # --- what a person paused ------------------------------------------------------------------------------------

    def stand_by(self, name: str, now: str) -> None:
        """Note that a route, a job, or everything ("") is paused; since when stays as it was first noted."""
        with self.write():
            self._run("insert or ignore into standby (name, at) values (?, ?)", [name, now])

    def stand_up(self, name: str) -> None:
        """Note that it is paused no longer."""
        with self.write():
            self._run("delete from standby where name = ?", [name])

    def standby(self) -> dict[str, str]:
        """Return what is paused, and since when."""
        return {str(name): str(at) for name, at in self._fetch("select name, at from standby order by name")}

    # --- schedules -----------------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, JobRow]:
        """Return what has, or had, a schedule."""
        return {row.name: row for row in self._all(JobRow, f"select {JOB} from job order by name")}

    def know_job(self, name: str, now: str) -> JobRow:
        """Return what is known of a job; from now on, if it is new."""
        with self.write():
            self._run("insert or ignore into job (name, since) values (?, ?)", [name, now])
            found = self._one(JobRow, f"select {JOB} from job where name = ?", [name])
        assert found is not None
        return found

    def job_began(self, name: str, now: str) -> None:
        """Note that a job begins."""
        with self.write():
            self._run(
                "update job set began_at = ?, ended_at = null, exit_code = null, code = null where name = ?",
                [now, name],
            )

    def job_ended(self, name: str, now: str, exit_code: int, code: str | None) -> None:
        """Note how a job ended."""
        with self.write():
            self._run(
                "update job set ended_at = ?, exit_code = ?, code = ? where name = ?", [now, exit_code, code, name]
            )

    # --- the agent itself ----------------------------------------------------------------------------------------

    def beat(self, row: AgentRow) -> None:
        """Note that the agent is at work, and what it says of itself."""
        with self.write():
            self._run(
                f"insert or replace into agent (one, {AGENT}) values (1, ?, ?, ?, ?, ?)",
                [row.pid, row.boot_id, row.since, row.beat_at, row.told],
            )

    def agent(self) -> AgentRow | None:
        """Return the agent that runs, or ran last; None where none ever did."""
        return self._one(AgentRow, f"select {AGENT} from agent")
