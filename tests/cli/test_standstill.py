"""What stands still, since when, why and until when; how the last run ended, or that it is at work."""

from __future__ import annotations

import signal
import subprocess

import pytest

from cli_world import REPOSITORY, World, plain_environment
from xnatsync.sandbox.http.faults import Fault


def _words(text: str) -> str:
    return " ".join(text.split())


def test_a_refused_password_is_told_by_status_why_and_doctor(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the run: what it ended with, what is left alone and why; `retry` of nothing is not advised."""
    box.study("good")
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", "wrong")
    box.run("sync")

    status, why, doctor = box.run("status"), box.run("why", "good"), box.run("doctor")
    fields = box.run("status", "-o", "json").document

    assert "(exit code 6): " in _words(status.out)
    assert "[XS-AUTH-REFUSED]" in status.out
    assert "server box is left alone since" in _words(status.out)
    assert "It waits: server box is left alone since" in _words(why.out)
    assert "everything is well" not in doctor.out
    assert (fields["last_run"]["exit_code"], fields["last_run"]["code"]) == (6, "XS-AUTH-REFUSED")
    assert [pause["what"] for pause in fields["pauses"]] == ["server box"]
    assert fields["pauses"][0]["until"] is None


def test_what_is_well_again_is_told_no_more(box: World) -> None:
    """The next run that needs it takes it out of the ledger."""
    box.study("good")
    box.server.faults.add(Fault("ANY", "/data/", "status", times=1000, status=502))
    box.run("sync", "--patience", "0s")
    assert "server box is left alone" in _words(box.run("status").out)
    box.server.faults.clear()

    assert box.run("sync").code == 0
    status = box.run("status")

    assert "left alone" not in status.out
    assert "ok (exit code 0)" in _words(status.out)
    assert "everything is well" in box.run("doctor").out


def test_refused_writes_are_told_with_the_servers_words(box: World) -> None:
    """The unit waits with its reason, and all writes to the server are named."""
    box.study("good")
    box.server.faults.add(Fault("POST", "/data/services/import", "status", times=1000, status=507))

    ran = box.run("sync", "--patience", "3s")
    fields = box.run("status", "-o", "json").document

    assert ran.code == 5
    assert "507" in ran.out
    assert "writes to box" in [pause["what"] for pause in fields["pauses"]]
    item = fields["routes"][0]["items"][0]
    assert (item["hold"], item["code"]) == ("retry", "XS-SERVER-UNWELL")


def test_running_is_told_from_killed(box: World) -> None:
    """A living process is named; one that was killed is called so."""
    box.study("good")
    with subprocess.Popen(
        box.command("sync", "--settle", "1h"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        cwd=REPOSITORY, env=plain_environment(),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while "settles after" not in process.stderr.readline():
            assert process.poll() is None
        running, fields = box.run("status"), box.run("status", "-o", "json").document
        process.send_signal(signal.SIGKILL)
        process.wait()
    killed = box.run("status")

    assert f"as process {process.pid}" in running.out
    assert (fields["last_run"]["alive"], fields["last_run"]["pid"]) == (True, process.pid)
    assert f"was killed (process {process.pid})" in _words(killed.out)


def test_what_verify_found_last_is_told(box: World) -> None:
    """With its exit code, beside the last run."""
    box.study("good")
    box.run("sync")
    for path in sorted((box.drop / "done").rglob("*.dcm"))[:1]:
        path.unlink()
    code = box.run("verify").code

    status = box.run("status")

    assert f"(exit code {code}): " in _words(status.out).partition("last verify:")[2]


def test_a_held_unit_is_a_held_item_for_programs_too(box: World) -> None:
    """`jq '.items[]|select(.hold)'` finds what the text calls held for a person."""
    box.study("unnamed", "")
    ran = box.run("sync", "-o", "json")

    items = ran.document["items"]
    assert [(item["hold"], bool(item["advice"])) for item in items] == [("person", True)]
    assert items[0]["code"] == items[0]["units"][0]["code"]


_UNSURE = [("status", 500), ("status", 502), ("status", 504), ("lost_reply", 0), ("cut_request", 0), ("login_page", 0)]


@pytest.mark.parametrize(("kind", "status"), _UNSURE)
@pytest.mark.parametrize(
    ("effect", "path"),
    [
        ("upload", "/services/import"),
        ("build", "action=build"),
        ("archiving", "action=commit"),
        ("attached file", "ATTACHED"),
    ],
)
def test_what_is_not_finished_says_what_it_waits_for(
    box: World, kind: str, status: int, effect: str, path: str
) -> None:
    """A write that got no usable answer holds nothing: the summary, `status`, `why` and JSON tell the cause."""
    box.configure(route='other = "attach"')
    method = "PUT" if effect == "attached file" else "POST"
    (box.study("exam") / "notes.txt").write_text("plain words\n")
    box.server.faults.add(Fault(method, path, kind, times=1000, status=status))  # type: ignore[arg-type]

    ran = box.run("sync", "--patience", "0s")
    status_out, why = box.run("status"), box.run("why", "exam")
    fields = box.run("status", "-o", "json").document

    assert ran.code == 5
    assert "attached to the session" not in _words(ran.out)
    for text in (ran.out, status_out.out, why.out):
        assert f"no usable answer came to the {effect} (" in _words(text)
        assert "by the next sync after 20" in _words(text)
        assert str(status or "") in text
    assert ": sent" not in ran.out or effect != "upload"
    assert len(fields["routes"][0]["items"][0]["waits"]) == 1


def test_what_settles_says_until_when(box: World) -> None:
    """An item that is still looked at has nothing held, and says until when it settles."""
    box.study("exam")

    ran = box.run("sync", "--settle", "1h", "--patience", "0s")

    assert ran.code == 5
    assert "waits: it settles: taken by the next sync after 20" in _words(ran.out)
    assert "waits: it settles: taken by the next sync" in _words(box.run("status").out)
    assert "It waits: it settles" in _words(box.run("why", "exam").out)


def test_what_waits_behind_a_held_item_says_so(box: World) -> None:
    """Of the same session: it names the item that is held and how to come further, wherever it is told."""
    box.study("first")
    box.server.faults.add(Fault("POST", "action=commit", "status", times=1000, status=403))
    assert box.run("sync", "--patience", "0s").code == 3
    box.study("second", slices=5)

    ran = box.run("sync", "--patience", "0s")
    status_out, why = box.run("status"), box.run("why", "second")
    fields = box.run("status", "-o", "json").document["routes"][0]["items"]

    for text in (ran.out, status_out.out, why.out):
        assert "for first (item 1 of route scanner), which writes to the same session and is held for a person" in (
            _words(text)
        )
        assert f"`xnatsync --config {box.config} why 1` says what to do" in _words(text)
    assert [len(item["waits"]) for item in fields if item["path"] == "second"] == [1]
    box.server.faults.clear()
    assert "retry u1" in box.run("why", "1").out
    assert box.run("retry", "u1").code == 0
    assert "first (item 1 of route scanner): done" in box.run("sync").out


@pytest.mark.parametrize("patience", ["0s", "1s"])
def test_nothing_stands_without_a_reason(box: World, patience: str) -> None:
    """Whatever is neither at its end nor held has something that it waits for."""
    box.study("one")
    box.study("two", "P2", seed=2)
    box.server.faults.add(Fault("GET", "/data/projects/DEMO/experiments", "status", times=1000, status=503))

    box.run("sync", "--patience", patience)

    for item in box.run("status", "-o", "json").document["routes"][0]["items"]:
        assert item["hold"] or item["waits"] or item["phase"] == "settled", item


def test_what_waits_for_a_retry_names_the_command_that_ends_the_wait(box: World) -> None:
    """A write that was refused waits longer and longer; once the cause is gone, the printed command ends the wait."""
    box.study("exam")
    box.server.faults.add(Fault("POST", "/services/import", "status", times=1000, status=507))
    ran = box.run("sync", "--patience", "0s")
    told = [box.run("status").out, box.run("why", "exam").out, ran.out]
    fields = box.run("status", "-o", "json").document["routes"][0]["items"][0]

    line = f"xnatsync --config {box.config} retry u1"
    assert all(line in text for text in told)
    assert (fields["hold"], fields["command"]) == ("retry", line)
    box.server.faults.clear()
    assert box.run("retry", "u1").code == 0
    assert box.run("sync", "--patience", "0s").code == 0


def test_what_waits_for_a_server_that_is_left_alone_says_so(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that it is to be sent: why it is not, once, however many sessions it has."""
    box.study("exam")
    box.study("exam/more", "P2", seed=2)
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", "wrong")

    ran = box.run("sync", "--patience", "0s")

    for text in (ran.out, box.run("status").out):
        assert "waits: server box is left alone since 20" in _words(text)
        assert _words(text).count("waits: ") == 1
    assert "to be sent" not in ran.out
