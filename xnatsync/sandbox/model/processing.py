"""What a site can run: commands of the Container Service, pipelines of the old engine, and how far each run is.

No program is run here: a run goes through XNAT's own stages as the site's clock goes on, `pace_s` seconds for each, and
ends as `outcome` says.  Without a daemon it ends as on a site that cannot reach one (import.md §11.1, §11.5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xnatsync.sandbox.model.objects import Experiment

if TYPE_CHECKING:
    from xnatsync.sandbox.model.accounts import User
    from xnatsync.sandbox.model.site import Site

_WITH_DAEMON: Final = ("Queued", "_Queued", "Staging", "Created", "Running", "Finalizing")
_WITHOUT_DAEMON: Final = ("Queued", "_Queued", "Staging")
_PIPELINE: Final = ("Queued", "Running")
_CREATED: Final = 3  # from this stage on there is a container
FIELDS: Final = {
    "type": "docker",
    "version": "",
    "description": "",
    "inputs": [],
    "outputs": [],
    "xnat": [],
    "visibility": "public",
}
_ENDS: Final = ("Complete", "Failed", "Killed")


@dataclass(slots=True)
class Pipeline:
    """A pipeline of the old engine that the site has."""

    name: str
    path: str
    datatype: str = "All Datatypes"
    description: str = ""
    parameters: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One launch; its workflow has the same number as key."""

    workflow: str
    project: str
    item: str  # accession ID
    launched: float
    user: str
    wrapper: int = 0  # 0: a pipeline of the old engine
    command: int = 0
    inputs: dict[str, str] = field(default_factory=dict)
    container: str = ""
    ended: str = ""  # the last status


@dataclass(slots=True)
class Book:
    """What is kept over a restart."""

    installed: bool = False  # the Container Service
    daemon: bool = False
    engine: bool = True  # the old pipeline engine can start and kill processes
    pace_s: float = 1.0
    outcome: str = "Complete"
    commands: dict[str, dict[str, object]] = field(default_factory=dict)  # by id, as they are shown
    site_enabled: list[int] = field(default_factory=list)  # wrappers
    project_enabled: dict[str, list[int]] = field(default_factory=dict)
    pipelines: list[Pipeline] = field(default_factory=list)
    project_pipelines: dict[str, list[str]] = field(default_factory=dict)  # names
    runs: dict[str, Run] = field(default_factory=dict)  # by workflow
    last: int = 0  # id of a command or wrapper


class Processing:
    """All of it, behind the site's lock."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.book = (site.documents.register(Book, "processing", lambda _: "processing") or [Book()])[0]

    def save(self) -> None:
        """Keep what changed."""
        self.site.documents.save(self.book)

    # -- commands ------------------------------------------------------------------------------------------------------

    def add_command(self, document: dict[str, object]) -> int:
        """Take a command in with new ids; those in the document are dropped (§11.2)."""
        with self.site.lock:
            kept = {**FIELDS, **document, "id": self._next()}
            wrappers = document.get("xnat")
            kept["xnat"] = [
                {**wrapper, "id": self._next()}
                for wrapper in (wrappers if isinstance(wrappers, list) else [])
                if isinstance(wrapper, dict)
            ]
            self.book.commands[str(kept["id"])] = kept
            self.save()
            return int(str(kept["id"]))

    def wrappers(self) -> list[tuple[dict[str, object], dict[str, object]]]:
        """List every wrapper, with its command."""
        found: list[tuple[dict[str, object], dict[str, object]]] = []
        for command in self.book.commands.values():
            listed = command["xnat"]
            found += [(command, wrapper) for wrapper in (listed if isinstance(listed, list) else [])]
        return found

    def wrapper(self, number: int) -> tuple[dict[str, object], dict[str, object]] | None:
        """Find one wrapper by its id."""
        return next((pair for pair in self.wrappers() if pair[1]["id"] == number), None)

    def is_enabled(self, number: int, project: str | None = None) -> bool:
        """Return whether a wrapper is on for the site, or for a project, which needs both (§11.3)."""
        on_site = number in self.book.site_enabled
        return on_site and (project is None or number in self.book.project_enabled.get(project, ()))

    def enable(self, number: int, project: str | None, *, on: bool) -> None:
        """Switch a wrapper for the site or for a project."""
        with self.site.lock:
            place = self.book.site_enabled if project is None else self.book.project_enabled.setdefault(project, [])
            if on and number not in place:
                place.append(number)
            elif not on and number in place:
                place.remove(number)
            self.save()

    def _next(self) -> int:
        self.book.last += 1
        return self.book.last

    # -- runs ----------------------------------------------------------------------------------------------------------

    def launch(self, name: str, project: str, item: Experiment, user: User, **about: object) -> Run:
        """Write a workflow that is queued, and remember the run."""
        with self.site.lock:
            key = str(self.site.next_event())
            self.site.record.workflows.append(
                {
                    "wrk_workflowData_id": key,
                    "id": item.id,
                    "ExternalID": project,
                    "data_type": item.xsi_type,
                    "pipeline_name": name,
                    "launch_time": self.site.now_text(),
                    "status": "Queued",
                    "category": "DATA",
                    "type": "PROCESS",
                    "create_user": user.login,
                    **({"justification": "Container launch"} if about else {}),
                }
            )
            run = Run(key, project, item.id, self.site.clock(), user.login, **about)  # type: ignore[arg-type]
            self.book.runs[key] = run
            self.save()
            self.site.save_site()
            return run

    def settle(self) -> None:
        """Let every run be as far as the clock is."""
        with self.site.lock:
            moving = [run for run in self.book.runs.values() if not run.ended]
            for run in moving:
                self._move(run)
            if moving:
                self.save()
                self.site.save_site()

    def _move(self, run: Run) -> None:
        has_daemon = self.book.daemon
        stages = _PIPELINE if not run.wrapper else _WITH_DAEMON if has_daemon else _WITHOUT_DAEMON
        passed_s, pace_s = self.site.clock() - run.launched, self.book.pace_s
        stage = len(stages) if pace_s <= 0 else int(passed_s / pace_s)
        if run.wrapper and has_daemon and stage >= _CREATED and not run.container:
            run.container = f"{int(run.workflow):012x}" + "c0" * 26
        if stage < len(stages):
            self._say(run, stages[stage])
        else:
            self.end(run, self.book.outcome if has_daemon or not run.wrapper else "Failed (Container launch)")

    def end(self, run: Run, status: str) -> None:
        """End a run with a status."""
        run.ended = status
        self._say(run, status)

    def _say(self, run: Run, status: str) -> None:
        workflow = self.workflow(run)
        workflow["status"] = status
        if run.container:
            workflow["comments"] = run.container
        if status.startswith("Failed"):
            why = "exit code 1" if run.container else "no daemon answers"
            workflow["details"] = "" if "Killed" in status else why

    def workflow(self, run: Run) -> dict[str, str]:
        """Return the workflow of a run."""
        return next(row for row in self.site.record.workflows if row["wrk_workflowData_id"] == run.workflow)

    def run_of(self, container: str) -> Run | None:
        """Find a run by its container's id."""
        return next((run for run in self.book.runs.values() if run.container and run.container == container), None)


def has_ended(status: str) -> bool:
    """Return whether a status is the last one (§11.5)."""
    return status.startswith(_ENDS)
