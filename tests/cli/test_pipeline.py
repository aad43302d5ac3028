"""`pipeline`, `command`, `wrapper` and `container`: documents as described, exit codes that scripts can use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_fields import document_faults, faults
from noun_world import PROJECT, NounWorld, furnish, here
from services.processing import install, old_engine, statuses

NAME = "dcm2niix-session"
RUN = ("pipeline", "run", NAME, "-P", PROJECT, "--experiment", "MR001")


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


def job_of(far: NounWorld) -> str:
    ran = far.run(*RUN, "-q")
    assert ran.code == 0, ran.err
    return ran.out.strip()


def test_listings_are_the_rows_described(far: NounWorld) -> None:
    """Of both engines, of commands, wrappers, jobs and containers."""
    number = install(far)
    old_engine(far, "DicomToNifti")
    job_of(far)

    for noun, words in (
        ("pipeline/list", ("--project", PROJECT)),
        ("pipeline/jobs", ("-E", "MR001", "--project", PROJECT)),
        ("command/list", ()),
        ("wrapper/list", ("-P", PROJECT)),
        ("container/list", ("-P", PROJECT, "--status", "Complete")),
    ):
        rows = far.rows(*noun.split("/"), *words)
        assert rows
        assert faults(rows, f"list of {noun}") == [], noun
    assert far.run("pipeline", "list", "-q").out.split() == [NAME, "DicomToNifti"]
    assert far.run("wrapper", "list", "-q").out == f"{number}\n"


def test_the_documented_example_runs(far: NounWorld) -> None:
    """List, run by accession ID, status by the job that was printed."""
    old_engine(far, "DicomToNifti")
    session = next(held.id for held in far.site.experiments.values() if held.label == "MR001")
    assert "DicomToNifti" in far.run("pipeline", "list", "--project", PROJECT).out

    ran = far.run("pipeline", "run", "DicomToNifti", "--experiment", session, "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, [])
    shown = far.run("pipeline", "status", ran.document["job_id"], "-o", "json")
    assert (shown.code, document_faults(shown.document), shown.document["state"]) == (0, [], "complete")
    assert far.run("pipeline", "status", "JOB_12345").code == 3


def test_documents_of_one_thing_are_those_described(far: NounWorld) -> None:
    """Command, container, its log, and a launch."""
    install(far)
    job = job_of(far)
    container = far.run("pipeline", "status", job, "-o", "json").document["container_id"]

    for words in (
        ["command", "show", "dcm2niix"],
        ["container", "show", container],
        ["container", "logs", container],
        ["container", "launch", NAME, "-P", PROJECT, "-E", "MR002", "--param", "flags=-z", "--wait"],
        ["pipeline", "status", job, "--watch"],
    ):
        ran = far.run(*words, "-o", "json")
        assert (ran.code, document_faults(ran.document)) == (0, []), words
    assert "stdout of a pretended run" in far.run("container", "logs", container).out
    assert "stderr of" in far.run("container", "logs", container, "--stderr").out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["pipeline", "run", "nothing", "-P", PROJECT, "-E", "MR001"], 3, "xnat/dcm2niix:latest"),
        (["container", "launch", "DicomToNifti", "-P", PROJECT, "-E", "MR001"], 3, "no command or wrapper"),
        ([*RUN[:-1], "MR009"], 3, "MR009"),
        ([*RUN, "--param", "flags"], 2, "NAME=VALUE"),
        ([*RUN[:3], "-P", "NOWHERE", "-E", "MR001"], 3, "NOWHERE"),
    ],
)
def test_mistakes_launch_nothing(words: list[str], code: int, told: str, far: NounWorld) -> None:
    """Found before anything is sent; with what there is."""
    install(far)
    old_engine(far, "DicomToNifti")

    ran = far.run(*words)

    assert (ran.code, told in ran.err) == (code, True), ran.err
    assert statuses(far) == []


def test_a_missing_plug_in_and_a_disabled_wrapper_are_two_things(far: NounWorld) -> None:
    """Each with its own next step."""
    ran = far.run("container", "list")
    assert (ran.code, "not installed" in ran.err) == (3, True)

    install(far, site=False, project=False)
    ran = far.run(*RUN, "-o", "json")
    assert ran.document["error"]["code"] == "XS-NOT-ENABLED"


def test_a_failure_is_an_exit_code(far: NounWorld) -> None:
    """Of a look, and of waiting."""
    install(far)
    far.site.processing.book.outcome = "Failed (Oom)"
    job = far.run(*RUN, "-q").out.strip()

    assert far.run("pipeline", "status", job).code == 3
    ran = far.run("pipeline", "status", job, "--watch")
    assert (ran.code, "Failed (Oom)" in ran.err, "container logs" in ran.err) == (3, True, True)
    far.site.processing.book.pace_s = math.inf
    waited = far.run(*RUN, "--wait", "--timeout", "0", "-o", "json")
    assert (waited.code, waited.document["error"]["code"]) == (5, "XS-JOB-UNFINISHED")


@pytest.mark.parametrize("noun", ["pipeline cancel", "container kill"])
def test_nothing_is_ended_without_a_yes(noun: str, far: NounWorld) -> None:
    """Neither by a plan; with it, the server shows that it has ended."""
    install(far)
    far.site.processing.book.pace_s = math.inf
    job = job_of(far)
    (run,) = far.site.processing.book.runs.values()
    run.container = "ab" * 32
    words = [*noun.split(), job if noun.startswith("pipeline") else run.container]

    assert far.run(*words).code == 2
    planned = far.run(*words, "--dry-run", "-o", "json")
    assert (planned.code, document_faults(planned.document)) == (0, [])
    assert statuses(far) == ["Queued"]

    done = far.run(*words, "--yes", "-o", "json")

    assert (done.code, document_faults(done.document), statuses(far)) == (0, [], ["Failed (Killed)"])
    assert far.run(*words, "--yes").code == 2
