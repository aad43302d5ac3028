"""What the commands say to people, word for word."""

from __future__ import annotations

import textwrap

from cli_fields import document_faults
from cli_world import World


def words(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_plan_says_what_would_happen(box: World) -> None:
    """Sigils, counts and bytes per session; others with their reason; and that nothing was changed."""
    good = box.study("good")
    (good / "notes.txt").write_text("note", encoding="utf-8")
    box.study("unnamed", "", seed=2)

    ran = box.run("plan", "-q")

    assert ran.code == 0
    assert box.stable(ran.out) == words(
        """
        good (route scanner): 5 files, SIZE
          + session P1_MR_20260302 of DEMO: 4 objects, SIZE to send
          - 1 file: not DICOM: notes.txt
        unnamed (route scanner): 4 files, SIZE
          ! study UID: held for a person
            ! PatientID is empty  [XS-LABEL-UNUSABLE]
              what to do: Correct the field at the scanner and export again, or give the template of the
                          route another one to fall back on: {PatientID|StudyID}.
        4 objects (SIZE) of 1 session to send, 1 held, 1 file not delivered
        This is a plan: nothing was changed.
        """
    )


def test_a_plan_names_two_studies_that_want_one_session(box: World) -> None:
    """Two new studies with one label: the plan says that one of them will be held; under `suffix` both are sent."""
    box.study("one", seed=1)
    box.study("two", seed=2)

    held = box.run("plan", "-o", "json").document
    box.configure(route='collision = "suffix"')
    both = box.run("plan", "-o", "json").document

    assert [unit["sigil"] for item in held["items"] for unit in item["units"]] == ["+", "!"]
    error = held["items"][1]["units"][0]["error"]
    assert error["code"] == "XS-SESSION-COLLISION"
    assert "(in two) and study " in error["message"]
    assert "(in one) both want the session P1_MR_20260302" in error["message"]
    assert [unit["sigil"] for item in both["items"] for unit in item["units"]] == ["+", "+"]


def test_a_plan_changes_nothing(box: World) -> None:
    """After `plan` and `sync --dry-run` there is no ledger, the server got no write, and the drop is as it was."""
    box.study("good")
    before = sorted((path, path.stat().st_mtime_ns) for path in box.drop.rglob("*"))

    box.run("plan")
    dry = box.run("sync", "--dry-run")

    assert "This is a plan" in dry.out
    assert not list(box.root.glob("ledger.db*"))
    assert before == sorted((path, path.stat().st_mtime_ns) for path in box.drop.rglob("*"))
    assert not [entry for entry in box.server.log if entry["method"] != "GET" and "JSESSION" not in str(entry["path"])]


def test_sync_says_what_arrived_and_what_is_held(box: World) -> None:
    """Where each session is and how it was proven, what was filed where, what was left out, what is held and why."""
    good = box.study("good")
    for number in range(5):
        (good / f"note{number}.txt").write_text(f"note {number}", encoding="utf-8")
    box.study("unnamed", "", seed=2)

    ran = box.run("sync", "-q", "--workers", "1")

    assert (ran.code, ran.err) == (3, "")
    assert box.stable(ran.out) == words(
        """
        good (item 1 of route scanner): done, filed as DAY/good
          = session P1_MR_20260302 of DEMO: 4 of 4 objects in the archive as XNAT_E00001, SIZE, proven by
            names (receipt 1)
          - 5 files: not DICOM: note0.txt, note1.txt, note2.txt and 2 more
        unnamed (item 2 of route scanner): held for a person
          ! study UID: planned
            ! PatientID is empty  [XS-LABEL-UNUSABLE]
              what to do: Correct the field at the scanner and export again, or give the template of the
                          route another one to fall back on: {PatientID|StudyID}.
              then: xnatsync --config ROOT/xnatsync.toml retry u2
              or give it up: xnatsync --config ROOT/xnatsync.toml dismiss 2
        1 item done (4 objects proven), 1 held
        """
    )


def test_a_second_sync_has_nothing_to_do(box: World) -> None:
    """Running again says so, sends nothing, and exits with 0."""
    box.study("good")
    box.run("sync")
    before = len([entry for entry in box.server.log if entry["method"] != "GET"])

    ran = box.run("sync", "-q")

    assert (ran.code, ran.out) == (0, "nothing to do\n")
    assert before == len([entry for entry in box.server.log if entry["method"] != "GET"])


def test_progress_is_one_plain_line_for_each_change(box: World) -> None:
    """Without a terminal, stderr tells each phase once and never moves."""
    box.study("good")

    ran = box.run("sync", "--workers", "1")

    assert ran.err == words(
        """
        good: seen
        good: settled
        P1_MR_20260302: sending 4 objects
        P1_MR_20260302: building
        P1_MR_20260302: archiving
        P1_MR_20260302: landed; the proof follows
        P1_MR_20260302: verified (names)
        good: verified
        good: done
        """
    )


def test_status_shows_what_is_held(box: World) -> None:
    """Per route the phases, and what waits for a person with the command that resolves it."""
    box.study("good")
    box.study("unnamed", "", seed=2)
    box.run("sync", "--workers", "1")

    ran = box.run("status")

    assert ran.code == 0
    assert box.stable(ran.out) == words(
        """
        scanner  ROOT/drop
          done: 1 item, SIZE
          settled: 1 item, SIZE
          unnamed (item 2): held for a person
            ! PatientID is empty  [XS-LABEL-UNUSABLE]
              what to do: Correct the field at the scanner and export again, or give the template of the
                          route another one to fall back on: {PatientID|StudyID}.
              then: xnatsync --config ROOT/xnatsync.toml retry u2
              or give it up: xnatsync --config ROOT/xnatsync.toml dismiss 2
        last run: began TIME UTC, ended TIME UTC, partial (exit code 3)
        """
    )


def test_status_before_the_first_run(box: World) -> None:
    """Without a ledger, `status` and `history` say that nothing happened, and make none."""
    status, history = box.run("status"), box.run("history")

    assert (status.code, history.code) == (0, 0)
    assert "nothing was dropped yet" in status.out
    assert history.out == "nothing has happened yet\n"
    assert not list(box.root.glob("ledger.db*"))


def test_history_shows_the_newest_events(box: World) -> None:
    """The diary in the order of time, with the item's name; `--limit` takes the newest."""
    box.study("good")
    box.run("sync")

    ran, last = box.run("history"), box.run("history", "--limit", "1")

    assert "item.seen" in ran.out
    assert "(good)" in ran.out
    assert ran.out.index("item.seen") < ran.out.index("item.done")
    assert [ran.out.splitlines()[-1].split()] == [line.split() for line in last.out.splitlines()[1:]]


def test_config_show_can_be_loaded_again(box: World) -> None:
    """What `config show` prints is a configuration with the same meaning, and says every default."""
    box.configure(route='session = "{PatientID}"')
    shown = box.run("config", "show").out
    assert 'destination = "archive"' in shown

    box.config.write_text(shown, encoding="utf-8")

    assert shown == box.run("config", "show").out


def test_what_the_selection_leaves_out_is_told_by_key_and_number(box: World) -> None:
    """By the plan, by the run, by the status ever after, and to whoever asks why."""
    box.configure(route='scan_types = ["*T1*"]\nsubjects = ["!P2"]')
    box.study("good")
    box.study("other", "P2", seed=2)

    assert box.stable(box.run("plan", "-q").out) == words(
        """
        good (route scanner): 4 files, SIZE
          + session P1_MR_20260302 of DEMO: 3 objects, SIZE to send
          - 1 file left out by scan_types of the route's selection
        other (route scanner): 4 files, SIZE
          - 1 file left out by scan_types, 3 by subjects of the route's selection
          - it would be left where it is: there is nothing to deliver
        3 objects (SIZE) of 1 session to send, 5 files left out by the selection
        This is a plan: nothing was changed.
        """
    )
    assert box.stable(box.run("sync", "-q").out) == words(
        """
        good (item 1 of route scanner): done, filed as DAY/good
          = session P1_MR_20260302 of DEMO: 3 of 3 objects in the archive as XNAT_E00001, SIZE, proven by
            names (receipt 1)
          - 1 file left out by scan_types of the route's selection
        other (item 2 of route scanner): nothing to deliver, it stays where it is
          - 1 file left out by scan_types, 3 by subjects of the route's selection
        1 item done (3 objects proven), 1 item not selected, 5 files left out by the selection
        """
    )
    assert box.stable(box.run("status").out) == words(
        """
        scanner  ROOT/drop
          done: 1 item, SIZE
          left: 1 item, SIZE
          other (item 2): nothing to deliver, it stays where it is
            - 1 file left out by scan_types, 3 by subjects of the route's selection
          2 files left out by scan_types, 3 by subjects of the route's selection, and never sent
        last run: began TIME UTC, ended TIME UTC, ok (exit code 0)
        """
    )
    assert "put it back\n            into the drop folder" in box.run("why", "good").out
    assert "takes nothing of it, until it is another" in " ".join(box.run("why", "other").out.split())
    assert "P2" not in "".join(line for line in box.run("history").out.splitlines() if "item.left" in line)
    document = box.run("status", "-o", "json").document
    assert document_faults(document) == []
    assert document["routes"][0]["left_out"] == {"scan_types": 2, "subjects": 3}
