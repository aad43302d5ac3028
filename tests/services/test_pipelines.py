"""What runs: both engines, four ways in which something cannot run, and waiting that ends."""

from __future__ import annotations

import math
from typing import Any

import pytest

from noun_world import PROJECT, NounWorld
from services.processing import COMMAND, install, old_engine, statuses
from xnatsync import XNATClient
from xnatsync.core.errors import JobFailed, JobUnfinished, NotEnabled
from xnatsync.sandbox.http.exchange import Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.services import errors
from xnatsync.services.pipelines import PipelineService

NAME = "dcm2niix-session"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def service(client: XNATClient, time: Time) -> PipelineService:
    return PipelineService(client, sleep=time.sleep, clock=lambda: time.now)


def instead(method: str, place: str, text: str, status: int = 200) -> Fault:
    """An answer in the place of the effect."""
    return Fault(method, place, "call", before=lambda _: Response(status, {}, text.encode()), times=9)


# --- what there is ---------------------------------------------------------------------------------------------------


def test_both_engines_are_listed(service: PipelineService, far: NounWorld) -> None:
    """With image, version, and where a wrapper is on."""
    assert service.list(project=PROJECT) == []
    number = install(far, project=False)
    old_engine(far, "DicomToNifti")

    wrapper, pipeline = service.list(project=PROJECT)

    assert (wrapper.id, wrapper.name, wrapper.engine, wrapper.image) == (number, NAME, "container", COMMAND["image"])
    assert (wrapper.enabled_site, wrapper.enabled_project, wrapper.version) == (True, False, "1.7")
    assert (pipeline.name, pipeline.engine) == ("DicomToNifti", "pipeline")
    assert service.get(NAME).inputs[0]["name"] == "session"
    with pytest.raises(errors.ResourceNotFoundError, match="no project NOWHERE"):
        service.list(project="NOWHERE")


# --- four sentences --------------------------------------------------------------------------------------------------


def refusal(service: PipelineService, name: str = NAME, session: str = "MR001") -> errors.XNATError:
    with pytest.raises(errors.OperationError) as caught:
        service.run(project=PROJECT, session=session, pipeline=name)
    return caught.value


def test_a_missing_plug_in_is_told_as_such(service: PipelineService, far: NounWorld) -> None:
    """By what the server lists; one that does not tell its plug-ins is not said to lack it."""
    assert "is not installed: the server lists 0 plug-ins" in str(refusal(service))
    far.server.faults.add(instead("GET", "/xapi/plugins", "", 403))

    words = str(refusal(service))

    assert "does not list its plug-ins" in words
    assert "not installed" not in words


def test_tomcats_own_page_is_no_unwell_server(service: PipelineService, far: NounWorld) -> None:
    """An address that no plug-in has is answered as everything is while XNAT starts: the list of plug-ins decides."""
    page = "<!doctype html><html><head><title>HTTP Status 404 \u2013 Not Found</title></head></html>"
    for place in ("/xapi/commands", "/xapi/containers"):
        far.server.faults.add(instead("GET", place, page, 404))

    with pytest.raises(errors.ResourceNotFoundError, match="is not installed"):
        service.containers.list()

    assert not [line for line in far.server.log if line["path"] == "/xapi/commands"]
    assert "is not installed" in str(refusal(service))


def test_an_unknown_command_is_told_with_what_there_is(service: PipelineService, far: NounWorld) -> None:
    """Name, image and version; never as a missing plug-in (FLIP 1093)."""
    install(far)

    words = str(refusal(service, "dcm2niix-sessions"))

    assert "no command or wrapper is called dcm2niix-sessions" in words
    assert f"{NAME} (xnat/dcm2niix:latest, version 1.7)" in words
    assert "plug-in" not in words
    assert statuses(far) == []


@pytest.mark.parametrize(("site", "words"), [(False, "not enabled for the site"), (True, f"not for project {PROJECT}")])
def test_what_is_switched_off_is_told_where(site: bool, words: str, service: PipelineService, far: NounWorld) -> None:
    """Two places, two people to ask; XNAT itself would answer success (import.md §11.4)."""
    install(far, site=site, project=False)

    error = refusal(service)

    assert isinstance(error, NotEnabled)
    assert words in str(error)
    assert statuses(far) == []


def test_who_is_not_told_where_it_is_off_claims_nothing(far: NounWorld) -> None:
    """A collaborator may not ask (import.md §11.3)."""
    install(far, project=False)
    far.site.accounts.add("col", "pw")
    far.site.projects[PROJECT].members["col"] = "collaborator"
    with XNATClient(far.server.url, "col", "pw") as client:
        error = refusal(PipelineService(client))

    assert "does not say to this account" in str(error)


def test_a_session_of_another_type_is_told(service: PipelineService, far: NounWorld) -> None:
    """With the types that it is for."""
    install(far)

    assert "it is for xnat:mrSessionData" in str(refusal(service, session="PET001"))


# --- running ---------------------------------------------------------------------------------------------------------


def test_the_example_runs(service: PipelineService, far: NounWorld) -> None:
    """As documented: what run() returns is what status() takes."""
    install(far)

    run_id = service.run(project=PROJECT, session="MR001", pipeline=NAME, params={"flags": 3})
    status = service.status(project=PROJECT, run_id=run_id)

    (run,) = far.site.processing.book.runs.values()
    session = next(held for held in far.site.experiments.values() if held.label == "MR001")
    assert (run.item, run.inputs) == (session.id, {"flags": "3", "session": f"/archive/experiments/{session.id}"})
    assert (status.state, status.status, status.experiment, status.job_id) == (
        "complete",
        "Complete",
        session.id,
        run.workflow,
    )
    assert status.container_id == run.container
    assert service.status(run.container) == service.status(run.workflow) == status
    with pytest.raises(errors.ResourceNotFoundError, match="has no job"):
        service.status(run_id, project="OTHER")
    with pytest.raises(errors.ResourceNotFoundError):
        service.status("99999")


@pytest.mark.parametrize("body", ['{"status":"failure","message":"Unable to queue"}', '{"status":"succ', "", "<html>"])
def test_a_launch_that_was_not_one_is_never_a_job(body: str, service: PipelineService, far: NounWorld) -> None:
    """A failure inside a 200, a cut report, nothing, a page."""
    install(far)
    far.server.faults.add(instead("POST", "/launch", body))

    error = refusal(service)

    assert statuses(far) == []
    assert error.code == ("XS-REQUEST-REFUSED" if "failure" in body else "XS-OUTCOME-UNKNOWN")


def test_an_earlier_job_is_never_taken_for_a_launch_that_was_lost(service: PipelineService, far: NounWorld) -> None:
    """No answer, and nothing happened: the job that was there before is not the one."""
    install(far)
    service.run(NAME, "MR001", PROJECT)
    far.server.faults.add(instead("POST", "/launch", "", 504))

    assert refusal(service).code == "XS-OUTCOME-UNKNOWN"
    assert len(statuses(far)) == 1


def test_a_launch_whose_answer_was_lost_is_found(service: PipelineService, far: NounWorld) -> None:
    """By the workflow that it made; it is not launched twice."""
    install(far)
    lost = far.server.faults.add(Fault("POST", "/launch", "cut_response", times=9))

    job = service.run(NAME, "MR001", PROJECT)

    assert (job.status, lost.hits, statuses(far)) == ("Complete", 1, ["Complete"])


def test_an_unknown_session_launches_nothing(service: PipelineService, far: NounWorld) -> None:
    """Looked up first; a label needs its project."""
    install(far)

    for session, project in (("MR009", PROJECT), ("MR001", None)):
        with pytest.raises(errors.ResourceNotFoundError):
            service.run(NAME, session, project)
    assert statuses(far) == []


def test_the_old_engine_runs_what_it_has(service: PipelineService, far: NounWorld) -> None:
    """By its name; the job is the workflow that is new."""
    old_engine(far, "DicomToNifti")
    first = service.run(project=PROJECT, session="MR001", pipeline="DicomToNifti")
    second = service.run("DicomToNifti", "MR001", PROJECT, {"overwrite": "Y"})

    assert (first.engine, first.pipeline, first.status) == ("pipeline", "DicomToNifti", "Complete")
    assert [job.job_id for job in service.list_jobs("MR001", PROJECT)] == [second.job_id, first.job_id]
    words = str(refusal(service, "FreeSurfer"))
    assert "the old engine has DicomToNifti" in words


def test_failures_inside_a_report_of_the_old_engine_are_told(service: PipelineService, far: NounWorld) -> None:
    """200, successes 0, failures 1."""
    old_engine(far, "DicomToNifti")
    far.site.processing.book.engine = False

    assert "0 successes and 1 failures" in str(refusal(service, "DicomToNifti"))
    assert statuses(far) == []


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_waiting_counts_down_and_ends(service: PipelineService, far: NounWorld, time: Time) -> None:
    """Each look is told; the end is the server's."""
    install(far)
    book = far.site.processing.book
    book.pace_s = math.inf
    job = service.run(NAME, "MR001", PROJECT)
    told: list[dict[str, Any]] = []

    def look(status: dict[str, Any]) -> None:
        told.append(status)
        book.pace_s = 0.0 if len(told) == 3 else math.inf

    done = service.wait(job_id=job.job_id, timeout=100, poll_interval=30, progress_callback=look)

    assert (done.state, [one["remaining_s"] for one in told]) == ("complete", [100.0, 70.0, 40.0, 10.0])
    assert time.slept[-3:] == [30, 30, 30]


def test_waiting_is_bounded(service: PipelineService, far: NounWorld, time: Time) -> None:
    """To the second, also where the interval is longer than what is left."""
    install(far)
    far.site.processing.book.pace_s = math.inf
    job = service.run(NAME, "MR001", PROJECT)

    with pytest.raises(JobUnfinished, match="has not ended in 45 seconds: it is Queued"):
        service.wait(job, timeout=45, poll_interval=30)
    assert sum(time.slept) == 45
    assert issubclass(JobUnfinished, errors.OperationError)
    with pytest.raises(errors.OperationCancelled):
        service.wait(job, progress_callback=lambda _: False)


@pytest.mark.parametrize("outcome", ["Failed (Oom)", "Failed", "Killed"])
def test_a_failure_is_told_with_where_to_look(outcome: str, service: PipelineService, far: NounWorld) -> None:
    """And ends the waiting."""
    install(far)
    far.site.processing.book.outcome = outcome
    job = service.run(NAME, "MR001", PROJECT)

    with pytest.raises(JobFailed) as caught:
        service.wait(job.job_id)
    assert outcome in str(caught.value)
    assert f"container logs {job.container_id}" in caught.value.remedy
    assert issubclass(JobFailed, errors.OperationError)


def test_a_site_without_a_daemon_fails_with_the_servers_words(service: PipelineService, far: NounWorld) -> None:
    """The launch was answered with success."""
    install(far, daemon=False)
    job = service.run(NAME, "MR001", PROJECT)

    with pytest.raises(JobFailed, match="no daemon answers"):
        service.wait(job)


def test_an_outage_does_not_end_the_waiting(service: PipelineService, far: NounWorld) -> None:
    """Within its time; and `Waiting (Failed (Oom))` is no end."""
    install(far)
    job = service.run(NAME, "MR001", PROJECT)
    (run,) = far.site.processing.book.runs.values()
    far.site.processing.workflow(run)["status"] = "Waiting (Failed (Oom))"
    calls = []

    def look(status: dict[str, Any]) -> None:
        calls.append(status["state"])
        far.site.processing.workflow(run)["status"] = "Complete"
        far.server.faults.add(instead("GET", "/data/workflows/", "no", 500)).times = 1

    assert service.wait(job, progress_callback=look).state == "complete"
    assert calls == ["running", "complete"]


# --- ending ----------------------------------------------------------------------------------------------------------


def running(service: PipelineService, far: NounWorld) -> Any:
    """A container that runs: its first stages are over."""
    install(far)
    far.site.processing.book.pace_s = math.inf
    job = service.run(NAME, "MR001", PROJECT)
    (run,) = far.site.processing.book.runs.values()
    run.container = "ab" * 32
    return job


def test_a_job_is_cancelled_and_seen_to_be(service: PipelineService, far: NounWorld) -> None:
    """Killed, and a second time it has ended."""
    job = running(service, far)

    assert service.cancel(job.job_id) is True

    assert statuses(far) == ["Failed (Killed)"]
    with pytest.raises(errors.InvalidInputError, match=r"has ended already: Failed \(Killed\)"):
        service.cancel(job)


def test_a_kill_that_did_nothing_is_told(service: PipelineService, far: NounWorld) -> None:
    """200 with the container's id, and it runs on."""
    job = running(service, far)
    far.server.faults.add(instead("POST", "/kill", "ab" * 32))

    with pytest.raises(errors.OutcomeUnknown, match="was to be cancelled"):
        service.cancel(job)


def test_what_has_no_container_yet_is_not_cancelled(service: PipelineService, far: NounWorld) -> None:
    """Busy, which passes."""
    install(far)
    far.site.processing.book.pace_s = math.inf
    job = service.run(NAME, "MR001", PROJECT)

    with pytest.raises(errors.OperationError, match="no container yet"):
        service.cancel(job)


def test_the_old_engine_ends_the_job_that_is_meant(service: PipelineService, far: NounWorld) -> None:
    """XNAT ends the latest run of a pipeline, whichever was asked for: another one is not ended for it."""
    old_engine(far, "DicomToNifti")
    far.site.processing.book.pace_s = math.inf
    first, second = (service.run("DicomToNifti", "MR001", PROJECT) for _ in range(2))

    with pytest.raises(errors.InvalidInputError, match=f"would end job {second.job_id}"):
        service.cancel(first)
    assert statuses(far) == ["Queued", "Queued"]

    assert service.cancel(second) is True
    assert statuses(far) == ["Queued", "Killed"]


# --- jobs and containers ---------------------------------------------------------------------------------------------


def test_jobs_are_listed_by_session_project_and_status(service: PipelineService, far: NounWorld) -> None:
    """The newest first, and no more than asked for."""
    install(far)
    first, second = service.run(NAME, "MR001", PROJECT), service.run(NAME, "MR002", PROJECT)

    assert [job.job_id for job in service.list_jobs(project=PROJECT)] == [second.job_id, first.job_id]
    assert [job.job_id for job in service.list_jobs(experiment_id="MR001", project=PROJECT)] == [first.job_id]
    assert [job.experiment for job in service.list_jobs(limit=1)] == [second.experiment]
    assert service.list_jobs(project=PROJECT, status="failed") == []
    assert len(service.list_jobs(project=PROJECT, status="complete")) == 2


def test_without_the_plug_in_jobs_are_those_of_one_session(service: PipelineService) -> None:
    """XNAT lists no others: the way that there is, is named."""
    with pytest.raises(errors.InvalidInputError) as caught:
        service.list_jobs(project=PROJECT)
    assert "--experiment" in caught.value.remedy


def test_a_container_is_shown_and_read(service: PipelineService, far: NounWorld) -> None:
    """An unknown one is "not there", where XNAT answers 500 to its log."""
    install(far)
    job = service.run(NAME, "MR001", PROJECT)
    containers = service.containers

    shown = containers.get(job.container_id)

    assert (shown.id, shown.job_id, shown.status) == (job.container_id, job.job_id, "Complete")
    assert [one.id for one in containers.list(PROJECT, "complete")] == [shown.id]
    assert "stdout of a pretended run" in containers.logs(shown.id)
    assert "stderr" in containers.logs(shown.id, "stderr")
    for act in (containers.get, containers.logs, containers.kill):
        with pytest.raises(errors.ResourceNotFoundError, match="no container 0123456789ab"):
            act("0123456789abcdef")
    with pytest.raises(errors.InvalidInputError, match="ended already"):
        containers.kill(shown.id)
    with pytest.raises(errors.InvalidInputError):
        containers.logs(shown.id, "all")


def test_commands_are_shown_by_number_and_name(service: PipelineService, far: NounWorld) -> None:
    """Two versions of one name are told apart by number alone."""
    install(far)
    (command,) = service.containers.commands()

    assert (command.name, command.image, command.wrappers) == ("dcm2niix", "xnat/dcm2niix:latest", [NAME])
    assert service.containers.command("dcm2niix")["version"] == service.containers.command(str(command.id))["version"]
    far.site.processing.add_command({**COMMAND, "version": "1.8"})
    with pytest.raises(errors.InvalidInputError, match="2 commands"):
        service.containers.command("dcm2niix")
    with pytest.raises(errors.ResourceNotFoundError, match="no command is called x"):
        service.containers.command("x")
