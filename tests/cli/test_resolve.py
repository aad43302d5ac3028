"""`retry` and `dismiss` do what a person decided, and nothing else."""

from __future__ import annotations

import pytest

from cli_world import PASSWORD, World
from xnatsync.sandbox.http.faults import Fault


def writes(box: World) -> int:
    return sum(entry["method"] != "GET" and "JSESSION" not in str(entry["path"]) for entry in box.server.log)


def held(box: World) -> int:
    """Drops a study that is held because it has no label, beside one that is delivered."""
    box.study("good")
    box.study("unnamed", "", seed=2)
    assert box.run("sync", "--workers", "1").code == 3
    return next(item["id"] for item in box.run("status", "-o", "json").document["routes"][0]["items"])


def test_a_label_that_was_mended_is_applied_anew(box: World) -> None:
    """After the template was changed, the session that had no label is planned anew and delivered."""
    held(box)
    box.configure(route="session = \"{PatientID|'anon'}_{StudyDate}\"\nsubject = \"{PatientID|'anon'}\"")

    retry = box.run("retry", "u2")
    ran = box.run("sync")

    assert retry.code == 0
    assert "unnamed (u2) is read and planned again; it was held by XS-LABEL-UNUSABLE" in retry.out
    assert ran.code == 0, ran.out
    assert "session anon_20260302 of DEMO: 4 of 4 objects" in ran.out


@pytest.mark.parametrize("name", ["#2", "2", "u2", "U2"])
def test_it_is_named_by_item_or_unit(name: str, box: World) -> None:
    """An item is `#2` or `2`, a unit `u2`."""
    assert held(box) == 2

    released = box.run("retry", name, "-o", "json").document["released"]

    assert [(part["item"], part["code"], part["was_held"]) for part in released] == [(2, "XS-LABEL-UNUSABLE", True)]


def test_all_releases_everything(box: World) -> None:
    """`--all` releases everything that is held, and says how much."""
    held(box)
    box.study("nameless", "", seed=3)
    box.run("sync")

    ran = box.run("retry", "--all")

    assert f"2 holds released; `xnatsync --config {box.config} sync` tries again" in " ".join(ran.out.split())


def test_without_a_change_it_is_held_again(box: World) -> None:
    """A retry alone mends nothing: the next run holds it for the same reason."""
    held(box)
    box.run("retry", "--all")

    ran = box.run("sync")

    assert ran.code == 3
    assert "[XS-LABEL-UNUSABLE]" in ran.out


def test_what_is_not_held_is_said_to_be_so(box: World) -> None:
    """Releasing something that is not held changes nothing and says so."""
    held(box)

    ran = box.run("retry", "#1")

    assert ran.code == 0
    assert "good (item 1) was not held" in ran.out
    assert "0 holds released\n" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code"), [(["x"], 2), (["u99"], 2), (["1", "--all"], 2), (["²"], 2), (["99"], 2)]
)
def test_a_wrong_name_releases_nothing(arguments: list[str], code: int, box: World) -> None:
    """No such name, or a name beside --all: 2, and everything is as it was."""
    held(box)
    before = box.run("status", "-o", "json").document

    ran = box.run("retry", *arguments)

    assert code == ran.code
    assert before == box.run("status", "-o", "json").document


NAMES = {
    "path": lambda box: "unnamed",
    "absolute": lambda box: str(box.drop / "unnamed"),
    "file": lambda box: str(next((box.drop / "unnamed").rglob("*.dcm"))),
    "study": lambda box: box.run("why", "2", "-o", "json").document["stories"][0]["sentences"][3]["text"].split()[1],
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", [("retry",), ("dismiss", "--yes")], ids=" ".join)
def test_it_is_named_as_why_names_it(name: str, order: tuple[str, ...], box: World) -> None:
    """Whatever `why` finds a thing by, `retry` and `dismiss` take too."""
    held(box)
    word = NAMES[name](box)
    assert [story["item"]["id"] for story in box.run("why", word, "-o", "json").document["stories"]] == [2], word

    ran = box.run(*order, word, "-o", "json")

    assert ran.code == 0, ran.err
    document = ran.document
    assert (document["released"][0]["item"] if order == ("retry",) else document["item"]["id"]) == 2


def test_a_number_that_is_printed_means_that_item(box: World) -> None:
    """A folder that is called `2` does not take the place of the item 2 in a command that is pasted."""
    held(box)
    box.study("2", "", seed=3)
    box.run("sync")

    assert [part["path"] for part in box.run("retry", "2", "-o", "json").document["released"]] == ["unnamed"]
    assert [part["path"] for part in box.run("retry", "2/", "-o", "json").document["released"]] == ["2"]


@pytest.mark.parametrize("where", ["/nowhere/2", "sub\\2"])
def test_the_end_of_a_path_is_no_number(where: str, box: World) -> None:
    """`/nowhere/2` names no item 2."""
    held(box)

    ran = box.run("dismiss", where, "--yes")

    assert ran.code == 2
    assert "[XS-NOTHING-FOUND]" in ran.err


def test_an_order_that_could_mean_several_is_refused_with_the_commands(box: World) -> None:
    """Two held items of one study: `dismiss` of it gives none up, and prints the command of each."""
    held(box)
    box.study("again", "", seed=2)
    box.run("sync")
    study = NAMES["study"](box)

    ran = box.run("dismiss", study, "--yes")

    assert ran.code == 2
    told = " ".join(ran.err.split()).replace(f"--config {box.config} ", "")
    assert "`xnatsync dismiss 3` (again), `xnatsync dismiss 2` (unnamed)" in told
    assert [part["item"] for part in box.run("retry", study, "-o", "json").document["released"]] == [3, 2]


def test_without_a_name_nothing_is_released_where_nobody_can_be_asked(box: World) -> None:
    """Bare `retry`, as a pasted `retry #4` is one: nothing is released, and that is an error."""
    held(box)

    ran = box.run("retry")

    assert ran.code == 2
    assert "--all" in ran.err
    assert box.run("status", "-o", "json").document["routes"][0]["held"] == 1


@pytest.mark.parametrize(("answer", "code", "still"), [("y\n", 0, 0), ("\n", 2, 1)])
def test_without_a_name_it_asks_on_a_terminal(
    answer: str, code: int, still: int, box: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held is named in the question; only yes releases it."""
    held(box)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", Answers(answer))

    ran = box.run("retry")

    assert code == ran.code
    assert "Release 1 hold (2)? [y/N]" in ran.err
    assert still == box.run("status", "-o", "json").document["routes"][0]["held"]


def test_one_wrong_name_releases_none_of_them(box: World) -> None:
    """Several names are released together or not at all."""
    held(box)

    ran = box.run("retry", "u2", "u99")

    assert ran.code == 2
    assert box.run("status", "-o", "json").document["routes"][0]["held"] == 1


def test_retry_asks_the_server_nothing(box: World) -> None:
    """Releasing is a matter of the ledger alone."""
    held(box)
    before = len(box.server.log)

    box.run("retry", "--all")

    assert before == len(box.server.log)


# --- dismiss -----------------------------------------------------------------------------------------------------


def test_a_dismissed_item_is_left_where_it_is(box: World) -> None:
    """Dismissed: its files are untouched, it is not held any more, and the next run does nothing about it."""
    number = held(box)

    ran = box.run("dismiss", str(number), "--yes")

    assert ran.code == 0
    assert "unnamed (item 2 of route scanner) is dismissed; its files stay where they are" in ran.out
    assert len(list((box.drop / "unnamed").rglob("*.dcm"))) == 4
    before = writes(box)
    again = box.run("sync", "-q")
    assert (0, before) == (again.code, writes(box))


def test_without_a_terminal_it_needs_yes(box: World) -> None:
    """Where nobody can be asked, nothing is given up without `--yes`."""
    number = held(box)

    ran = box.run("dismiss", str(number))

    assert ran.code == 2
    assert "[XS-DECLINED]" in ran.err
    assert box.run("status", "-o", "json").document["routes"][0]["held"] == 1


@pytest.mark.parametrize(("answer", "code", "still_held"), [(True, 0, 0), (False, 2, 1)])
def test_on_a_terminal_it_asks(
    answer: bool, code: int, still_held: int, box: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is told what is given up, and asked; only yes means yes."""
    number = held(box)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", Answers("y\n" if answer else "\n"))

    ran = box.run("dismiss", str(number))

    assert code == ran.code
    assert "will not be delivered any more" in ran.err
    assert "Dismiss item 2? [y/N]" in ran.err
    assert still_held == box.run("status", "-o", "json").document["routes"][0]["held"]


class Answers:
    def __init__(self, text: str) -> None:
        self.text = text

    def readline(self) -> str:
        return self.text

    def isatty(self) -> bool:
        return True


def test_a_proven_item_cannot_be_dismissed(box: World) -> None:
    """What is done is not given up."""
    held(box)

    ran = box.run("dismiss", "1", "--yes")

    assert ran.code == 2
    assert "item 1 is done: there is nothing to give up" in ran.err


def stuck(box: World) -> str:
    """A study whose archiving is refused: it stays in the prearchive, made by us."""
    box.study("good")
    box.server.faults.add(Fault("POST", "action=commit", "status", times=1000, status=403))
    assert box.run("sync").code == 3, box.run("status").out
    unit = box.run("status", "-o", "json").document["routes"][0]["items"][0]["units"][0]
    assert unit["prearchive"]
    return str(unit["prearchive"])


def test_what_we_left_in_the_prearchive_can_be_deleted(box: World) -> None:
    """`--prearchive` deletes the prearchive session that our upload made."""
    uri = stuck(box)

    ran = box.run("dismiss", "1", "--prearchive", "--yes")

    assert ran.code == 0, ran.err
    assert f"deleted on the server: {uri}" in ran.out
    assert prearchive_count(box) == 0


def test_without_asking_the_prearchive_is_left_alone(box: World) -> None:
    """Without `--prearchive` the session stays there, and that is said."""
    uri = stuck(box)

    ran = box.run("dismiss", "1", "--yes")

    assert f"still in the prearchive: {uri} (READY)" in ran.out
    assert prearchive_count(box) == 1


def test_a_refused_deletion_gives_nothing_up(box: World) -> None:
    """When the server does not delete, the item stays as it is."""
    stuck(box)
    box.server.faults.add(Fault("DELETE", "/prearchive/", "status", times=1000, status=403))

    ran = box.run("dismiss", "1", "--prearchive", "--yes")

    assert ran.code == 6
    assert box.run("status", "-o", "json").document["routes"][0]["held"] == 1


def test_what_somebody_else_added_there_is_not_deleted(box: World) -> None:
    """One object in the row that this item did not bring: it is named, nothing is given up, nothing deleted."""
    uri = stuck(box)
    someone_elses(box, uri)

    ran = box.run("dismiss", "1", "--prearchive", "--yes")

    assert (ran.code, prearchive_count(box)) == (7, 1)
    assert "[XS-NOT-OURS]" in ran.err
    assert "1 file that this item did not send, the first is " in " ".join(ran.err.split())
    assert box.run("status", "-o", "json").document["routes"][0]["held"] == 1


def test_a_row_that_nobody_can_look_into_is_not_deleted(box: World) -> None:
    """It is receiving again, so it cannot be listed: perhaps somebody else is sending into it at this moment."""
    stuck(box)
    for row in box.server.site.prearchive.rows.values():
        row.status, row.built = "RECEIVING", False

    ran = box.run("dismiss", "1", "--prearchive", "--yes")

    assert (ran.code, prearchive_count(box)) == (7, 1)
    assert "what is in it cannot be read" in " ".join(ran.err.split())


def test_objects_that_were_never_acknowledged_to_us_are_not_deleted(box: World) -> None:
    """They have our UIDs, and may have been put there by whoever has the study too."""
    import sqlite3

    stuck(box)
    with sqlite3.connect(box.root / "ledger.db") as ledger:
        ledger.execute("update entry set acknowledged = 0 where key = (select min(key) from entry)")
    ledger.close()

    ran = box.run("dismiss", "1", "--prearchive", "--yes")

    assert (ran.code, prearchive_count(box)) == (7, 1)


def test_dismiss_tells_what_is_really_there(box: World) -> None:
    """Seven of eight pictures are archived, one is broken: nothing is in the prearchive, whatever once was."""
    broken = next(box.study("half").rglob("*.dcm"))
    broken.write_bytes(broken.read_bytes()[:-100])
    assert box.run("sync").code == 3

    ran = box.run("dismiss", "1", "--yes")

    assert ran.code == 0
    assert "stay in the archive: session" in ran.out
    assert "prearchive" not in ran.out
    assert "its files stay where they are" in ran.out


def test_dismiss_tells_that_the_files_are_gone(box: World) -> None:
    import shutil

    number = held(box)
    shutil.rmtree(box.drop / "unnamed")

    ran = box.run("dismiss", str(number), "--yes")

    assert "is dismissed; its files are gone" in ran.out


def test_dismiss_without_its_server_says_so_and_gives_up_all_the_same(box: World) -> None:
    """Nothing is claimed of what could not be looked at; with `--prearchive` nothing is done."""
    stuck(box)
    box.server.stop()

    refused = box.run("dismiss", "1", "--prearchive", "--yes")
    ran = box.run("dismiss", "1", "--yes", "-o", "json")

    assert refused.code == 5
    assert (ran.code, ran.document["prearchive_left"]) == (0, [])
    assert ran.document["server_unknown"]


def someone_elses(box: World, uri: str) -> None:
    """Somebody adds an object of their own to the prearchive session that we made."""
    import io

    import httpx
    import pydicom

    data = pydicom.dcmread(next((box.drop / "good").rglob("*.dcm")))
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "2.25.99"
    sink, label = io.BytesIO(), uri.rsplit("/", 1)[1]
    data.save_as(sink, enforce_file_format=True)
    wanted = f"PROJECT_ID=DEMO&SUBJECT_ID=P1&EXPT_LABEL={label}&prevent_auto_commit=true&SOURCE=uploader"
    with httpx.Client(base_url=box.server.url, auth=("admin", PASSWORD), timeout=60) as client:
        url = f"/data/services/import?import-handler=gradual-DICOM&inbody=true&rename=true&{wanted}"
        media = {"Content-Type": "application/dicom"}
        assert client.post(url, content=sink.getvalue(), headers=media).status_code == 200
        assert client.post(f"/data{uri}?action=build").status_code == 200


def prearchive_count(box: World) -> int:
    from xnatsync.app.app import App
    from xnatsync.config.load import load

    app = App(load(box.config))
    try:
        return len(app.server("box").prearchive("DEMO"))
    finally:
        app.close()
