"""Pipelines: wrappers of the Container Service where a server has it, and pipelines of the old engine.

A job is what XNAT calls a workflow; its number is the job's.  A launch is believed once the workflow is seen.
"""

from __future__ import annotations

import builtins
import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from xnatsync.core.errors import (
    AccessDenied,
    JobFailed,
    JobUnfinished,
    LoginLost,
    NotThere,
    OutcomeUnknown,
    ReadFailed,
    ServerBusy,
    ServerUnreachable,
    ServerUnwell,
    Stopped,
    Usage,
    XnatsyncError,
)
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.pasting import command_line
from xnatsync.services.base import BaseService, limited
from xnatsync.services.client import WORK_S, XNATClient
from xnatsync.services.containers import ContainerService, ended
from xnatsync.services.jobs import (
    engine_told,
    failed_advice,
    job_number,
    job_of,
    job_of_container,
    pipeline_row,
    plain_name,
    see_type,
)
from xnatsync.services.models import Fields
from xnatsync.services.spelling import also
from xnatsync.xnat import containers, listing, sessions, workflows

__all__ = ["PipelineService"]

Told = Callable[[dict[str, Any]], object]
_PASSING: Final = (ServerUnreachable, ServerUnwell, ReadFailed)
_PAUSES_S: Final = (0.2, 0.4, 0.8, 1.6, 3.2)


class PipelineService(BaseService):
    """Lists what can be run, runs it on a session, and follows the job.

    A job is a `Fields` with `job_id`, `status` (the server's word), `state` (`queued`, `running`, `complete`,
    `failed`), `pipeline`, `engine` (`container`, `pipeline`), `experiment` (accession ID), `project`, `started`,
    `user`, `details` (why it failed, where the server tells), `container_id` and `percent`.
    """

    def __init__(
        self,
        client: XNATClient,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(client)
        self.containers = ContainerService(client)
        self._sleep, self._clock = sleep, clock

    def list(self, project: str | None = None) -> builtins.list[Fields]:
        """List what can be run: `name`, `engine`, `id`, `command`, `image`, `version`, `description`, `contexts`.

        With a project, `enabled_site` and `enabled_project` say where a wrapper is on, as far as we are told.
        """
        if project is not None and listing.project(self.client.low, project) is None:
            raise NotThere(f"there is no project {project}, or this account may not see it")
        found = self.containers.wrappers(project) if self.containers.is_installed() else []
        return [*found, *(pipeline_row(row) for row in self._old(project))]

    def get(self, pipeline_name: str, project: str | None = None) -> Fields:
        """Return one of them, with `inputs`; ResourceNotFoundError names what there is."""
        rows = self.list(project)
        found = [row for row in rows if pipeline_name in {row["name"], str(row["id"])}]
        if not found:
            raise self._unknown(pipeline_name, project)
        inputs: builtins.list[Mapping[str, object]] = []
        if found[0]["engine"] == "container":
            inputs = [*self.containers.find(str(found[0]["id"])).inputs]
        return Fields(found[0], inputs=inputs)

    @also(pipeline="pipeline_name", session="experiment_id")
    def run(
        self,
        pipeline_name: str,
        experiment_id: str,
        project: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> Fields:
        """Run a pipeline on a session, named by accession ID, or by its label in a project; returns the job.

        ResourceNotFoundError when there is no such pipeline or session, NotEnabled when it is switched off there.
        """
        session = self._session(experiment_id, project)
        wanted = project or session.project
        before = {job.id for job in workflows.of_session(self.client.low, session.id)}
        if self.containers.is_installed():
            try:
                wrapper = self.containers.find(pipeline_name)
            except NotThere:
                wrapper = None
            if wrapper is not None:
                number = self._launched(
                    lambda: self.containers.launch(wrapper, session, wanted, params), session, wrapper.name, before
                )
                return self.status(number)
        rows = [row for row in (*self._old(wanted), *self._old(None)) if row.get("Name") == pipeline_name]
        if not rows:
            raise self._unknown(pipeline_name, wanted)
        see_type(pipeline_name, session, {row.get("Datatype", "") for row in rows})
        number = self._launched(
            lambda: self._launch_old(pipeline_name, session, wanted, params), session, pipeline_name, before
        )
        return self.status(number)

    @also(run_id="job_id")
    def status(self, job_id: str | Mapping[str, Any], *, project: str | None = None) -> Fields:
        """Return how far a job is; `job_id` is its number, what run() returned, or the id of a container.

        ResourceNotFoundError when there is none, or when it is one of another project than the one named.
        """
        number = str(job_id["job_id"] if isinstance(job_id, Mapping) else job_id)
        if not number.isdigit():
            number = str(self.containers.get(number)["job_id"])
        job = job_of(workflows.one(self.client.low, number))
        if project is not None and job["project"] not in {"", project}:
            raise NotThere(f"project {project} has no job {number}")
        return job

    @also(run_id="job_id")
    def wait(
        self,
        job_id: str | Mapping[str, Any],
        timeout: int = 3600,
        poll_interval: int = 30,
        progress_callback: Told | None = None,
    ) -> Fields:
        """Wait until a job has ended well; returns its last status.

        The callback is told every status, with `remaining_s` counting down, and stops the waiting by returning False;
        the job goes on then.  JobFailed when it fails or is killed, JobUnfinished when the time is over: both are
        OperationError.
        """
        if timeout < 0 or poll_interval < 0:
            raise Usage("a time cannot be negative", advice="Give timeout and poll_interval as seconds from 0 on.")
        end = self._clock() + timeout
        while True:
            failure: XnatsyncError | None = None
            left_s = max(0.0, end - self._clock())
            try:
                job = Fields(self.status(job_id), remaining_s=left_s)
            except _PASSING as error:  # an outage is no end of a job: it is asked again as long as there is time
                failure = error
            else:
                if progress_callback is not None and progress_callback(job) is False:
                    raise Stopped("waiting was stopped by its callback; the job goes on")
                if job["state"] == "complete":
                    return job
                if job["state"] == "failed":
                    why = f": {job['details']}" if job["details"] else ""
                    raise JobFailed(f"job {job['job_id']} ended as {job['status']}{why}", advice=failed_advice(job))
            if left_s <= 0:
                if failure is not None:
                    raise failure
                raise JobUnfinished(f"job {job['job_id']} has not ended in {timeout} seconds: it is {job['status']}")
            self._sleep(min(poll_interval, left_s))

    def cancellable(self, job_id: str | Mapping[str, Any]) -> Fields:
        """Return the job that cancel() would cancel; Usage when it has ended."""
        job = self.status(job_id)
        if ended(job["status"]):
            raise Usage(f"job {job['job_id']} has ended already: {job['status']}")
        return job

    @also(run_id="job_id")
    def cancel(self, job_id: str | Mapping[str, Any]) -> bool:
        """Cancel a job; True once it is seen to have ended as killed, False when it ended by itself meanwhile.

        Usage when it had ended already, ServerBusy while it has no container that could be killed.
        """
        job = self.cancellable(job_id)
        if job["engine"] == "pipeline":
            self._terminate(job)
        elif not job["container_id"]:
            raise ServerBusy(
                f"job {job['job_id']} is {job['status']}: it has no container yet that could be killed",
                advice="Ask again in a while.",
            )
        else:
            with contextlib.suppress(JobFailed, OutcomeUnknown, LoginLost):  # the job itself is looked at
                self.containers.kill(job["container_id"])
        for pause_s in _PAUSES_S:
            after = self.status(job["job_id"])
            if ended(after["status"]):
                return "killed" in after["status"].lower()
            self._sleep(pause_s)
        raise OutcomeUnknown(f"job {job['job_id']} was to be cancelled, and is {after['status']}")

    def list_jobs(
        self,
        experiment_id: str | None = None,
        project: str | None = None,
        status: str | None = None,
        limit: int | None = 100,
    ) -> builtins.list[Fields]:
        """List jobs, the newest first: of a session, else the containers of a project or of the site.

        XNAT lists jobs of the old engine for one session alone.  `status` is the beginning of the server's word, or a
        state.
        """
        if experiment_id is not None:
            session = self._session(experiment_id, project)
            jobs = [
                Fields(job_of(one), engine=engine_told(one.name))
                for one in workflows.of_session(self.client.low, session.id)
            ]
        elif not self.containers.is_installed():
            raise Usage(
                "without the Container Service, jobs are listed for one session alone",
                advice=f"Name it: `{command_line('pipeline', 'jobs', '--experiment', 'ID')}`.",
            )
        else:
            names = {one.id: one.name for one in containers.wrappers(containers.commands(self.client.low))}
            jobs = [job_of_container(one, names) for one in containers.containers(self.client.low, project)]
        wanted = (status or "").lower()
        found = [
            job for job in jobs if not wanted or wanted == job["state"] or job["status"].lower().startswith(wanted)
        ]
        return limited(sorted(found, key=job_number, reverse=True), limit)

    # --- within ------------------------------------------------------------------------------------------------------

    def _session(self, name: str, project: str | None) -> SessionHeld:
        """Find a session; without a project the default one is searched first, then accession IDs everywhere."""
        default = self.client.default_project
        if project is not None or default is None:
            return sessions.one(self.client.low, name, project)
        try:
            return sessions.one(self.client.low, name, default)
        except NotThere as missing:
            try:
                return sessions.by_id(self.client.low, name)
            except NotThere:
                raise missing from None

    def _old(self, project: str | None) -> tuple[dict[str, str], ...]:
        """List pipelines of the old engine; none where the server has no such list for us."""
        try:
            return workflows.pipelines(self.client.low, project)
        except (NotThere, AccessDenied, ServerUnwell) as error:
            if isinstance(error, ServerUnwell) and error.http != 404:
                raise
            return ()

    def _launch_old(self, name: str, session: SessionHeld, project: str, params: Mapping[str, Any] | None) -> str:
        given = {key: str(value) for key, value in (params or {}).items()}
        with self._written_down("pipeline.launched", f"launch a pipeline on session {session.id}", project=project):
            workflows.launch(
                self.client.low,
                name,
                project,
                session.id,
                given,
                request_id=str(uuid.uuid4()),
                timeout_s=WORK_S,
            )
        return ""

    def _launched(self, launch: Callable[[], str], session: SessionHeld, name: str, before: set[str]) -> str:
        """Launch once, and find the workflow of it; OutcomeUnknown when none is seen."""
        lost: XnatsyncError | None = None
        try:
            if number := launch():
                return number
        except (OutcomeUnknown, LoginLost) as error:
            lost = error
        for pause_s in _PAUSES_S:
            new = [
                job
                for job in workflows.of_session(self.client.low, session.id)
                if job.id not in before and plain_name(job.name) == plain_name(name)
            ]
            if new:
                return new[-1].id
            self._sleep(pause_s)
        raise OutcomeUnknown(
            f"{name} was launched on session {session.id}, and no job of it is to be seen",
            advice=f"`{command_line('pipeline', 'jobs', '--experiment', session.id)}` looks again.",
        ) from lost

    def _terminate(self, job: Fields) -> None:
        """End a run of the old engine, which ends the latest of its kind: never another one than the one meant."""
        path = str(job["pipeline_path"])
        newest = [
            one
            for one in workflows.of_session(self.client.low, job["experiment"])
            if plain_name(one.name) == job.pipeline
        ]
        if newest and newest[-1].id != job["job_id"]:
            raise Usage(
                f"job {job['job_id']} is not the latest run of {job['pipeline']} on session {job['experiment']}: "
                f"XNAT would end job {newest[-1].id} instead"
            )
        with self._written_down("pipeline.cancelled", f"cancel job {job['job_id']}", project=job["project"]):
            workflows.terminate(
                self.client.low,
                str(job["pipeline"]),
                path,
                str(job["project"]),
                str(job["experiment"]),
                request_id=str(uuid.uuid4()),
                timeout_s=WORK_S,
            )

    def _unknown(self, name: str, project: str | None) -> XnatsyncError:
        """Say why nothing of that name can be run, by what the server showed."""
        old = sorted({row.get("Name", "") for row in (*self._old(project), *self._old(None))} - {""})
        of_old = f"the old engine has {', '.join(old)}" if old else "the old engine has no pipelines that we are shown"
        try:
            self.containers.find(name)
        except NotThere as error:
            return NotThere(f"no pipeline is called {name}: {error}; {of_old}", http=error.http, advice=error.remedy)
        return NotThere(f"no pipeline is called {name}; {of_old}")
