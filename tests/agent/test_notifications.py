"""Messages about what needs a person: from the ledger through the outbox to real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from notices_world import NoticesWorld, web
from xnatsync.agent.notifier import Notifier, note_absence
from xnatsync.app.causes import OfAgent
from xnatsync.app.messages import Message, send
from xnatsync.config.load import ConfigInvalid
from xnatsync.core.causes import ASKING, State
from xnatsync.core.errors import (
    CredentialsRefused,
    DiskFull,
    FolderMissing,
    NoRule,
    NotComplete,
    NotifyFailed,
    ObjectsBroken,
    PatientDiffers,
    ServerUnreachable,
    TableUnusable,
    TreeEdited,
)
from xnatsync.core.moment import later
from xnatsync.ledger.agents import AgentRow
from xnatsync.ledger.assignments import LookupRow
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.rows import NewUnit, PauseRow
from xnatsync.ledger.tree_rows import NewAudit, NewTrouble

HOUR = 3600.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[NoticesWorld]:
    found = NoticesWorld(tmp_path)
    yield found
    found.close()


def test_a_cause_is_one_message_whatever_its_wording_and_its_files_and_one_when_it_is_over(world: NoticesWorld) -> None:
    first = world.held(NoRule, "exam 1 of DOE^JANE is nowhere")
    world.pass_time(HOUR)
    (message,) = world.out
    assert "1 thing in the inbox" in message.title
    assert "XS-NO-RULE" in message.body

    others = [world.held(NoRule, f"quite another wording {number}") for number in range(20)]
    world.pass_time(5 * HOUR, step_s=600)
    assert len(world.out) == 1

    for number in [first, *others]:
        world.ledger.release_item(number)
    world.pass_time(HOUR)
    assert [message.title for message in world.out[1:]] == ["xnatsync: route scanner: resolved"]
    world.pass_time(48 * HOUR, step_s=3600)
    assert len(world.out) == 2


def test_what_flaps_is_one_cause(world: NoticesWorld) -> None:
    number = world.held(NoRule)
    for minute in range(120):
        world.pass_time(60)
        if minute % 4 < 2:
            world.ledger.release_item(number)
        else:
            world.ledger.hold_item(number, hold_of(NoRule))
    assert len(world.out) == 1


def hold_of(code: Any) -> Any:
    from xnatsync.core.hold import Hold

    return Hold.for_person(code("again"))


def test_a_reminder_comes_each_day_as_long_as_it_lasts(world: NoticesWorld) -> None:
    world.held(NoRule)
    world.pass_time(73 * HOUR, step_s=1200)

    assert ["still" in message.title for message in world.out] == [False, True, True, True]


def each_state(world: NoticesWorld) -> dict[State, Any]:
    """How each state that asks a person comes about in the ledger."""
    ledger, run = world.ledger, world.run_id

    def pause(what: str, kind: Any) -> None:
        ledger.pause(PauseRow(what, run, world.time, None, 3, kind.code, "words", "advice"))

    return {
        State.HELD: lambda: world.held(ObjectsBroken),
        State.INCOMPLETE: lambda: world.held(NotComplete),
        State.PATIENT: lambda: world.held(PatientDiffers),
        State.INBOX: lambda: world.held(TableUnusable),
        State.TABLE: lambda: table(world, "line 3 contradicts line 2"),
        State.LOGIN: lambda: pause("server prod", CredentialsRefused),
        State.SERVER: lambda: pause("writes to prod", ServerUnreachable),
        State.FOLDER: lambda: pause("route scanner", FolderMissing),
        State.DISK: lambda: pause("the ledger", DiskFull),
        State.VERIFY: lambda: lost(world),
        State.JOB: lambda: (ledger.know_job("weekly", world.time), ledger.job_ended("weekly", world.time, 6, None)),
        State.CONFIGURATION: lambda: setattr(world, "agent", OfAgent(refused_since=world.time)),
        State.STUCK: lambda: setattr(world, "agent", OfAgent(well=False)),
        State.STOPPED: lambda: absent(world),
    }


def table(world: NoticesWorld, refused: str) -> None:
    world.ledger.note_lookup("scanner", LookupRow("/t.csv", "", refused, world.time))


def lost(world: NoticesWorld) -> None:
    """A verification has found that something is not as it was proven."""
    number = world.held(NoRule)
    world.ledger.release_item(number)
    owner = an_owner(world)
    world.ledger.add_audits(
        world.run_id, [NewAudit("t", "names", "missing", detail="3 files", route="nightly", owner_id=owner)], world.time
    )


def an_owner(world: NoticesWorld) -> int:
    """A session of the mirror."""
    return int(
        world.ledger.database["owner"].insert(
            {"route": "nightly", "project": "P", "kind": "session", "server_id": "E1", "phase": "known", "seen_at": "t",
             "stamp": "", "tries": 0},
            pk="id",
        ).last_pk or 0
    )  # fmt: skip


def absent(world: NoticesWorld) -> None:
    told = json.dumps({"state": "at work", "well": True})
    world.ledger.beat(AgentRow(1, "boot", world.time, later(world.time, -7200), told))
    note_absence(world.ledger, world.time, ["ops"])


@pytest.mark.parametrize("state", [state for state, asking in ASKING.items() if asking.person and state != "silent"])
def test_each_state_that_asks_a_person_becomes_a_message_with_what_to_do(state: State, world: NoticesWorld) -> None:
    """From the rows of the ledger: a state that no row leads to is said by nobody."""
    each_state(world)[state]()
    world.pass_time(1200)

    (message,) = world.out
    assert ASKING[state].sentence in message.body
    assert "what to do: " in message.body
    found = [row.state for row in world.ledger.causes("ops", "")]
    assert found == [state]


@pytest.mark.parametrize("what", ["trouble", "unplaced", "entity", "session of an item"])
def test_whatever_holds_a_person_may_wait_for_is_in_a_message(what: str, world: NoticesWorld) -> None:
    """Of trees and of sessions as of items; what is only reported asks nobody."""
    ledger, now = world.ledger, world.time
    asks, tells = (
        NewTrouble("a/b", "XS-TREE-EDITED", "words", True),
        NewTrouble("a/c", "XS-MIRROR-GONE", "words", False),
    )
    if what == "trouble":
        ledger.set_troubles(an_owner(world), [asks, tells], now)
    elif what == "unplaced":
        ledger.set_unplaced("nightly", [asks, tells], now)
    elif what == "entity":
        ledger.hold_owner(an_owner(world), hold_of(TreeEdited))
    else:
        number = world.held(NoRule)
        ledger.release_item(number)
        unit = NewUnit("prod", "P", "S", "E", "1.2", "prod/P/E", 0, 0)
        (row,) = ledger.settle_item(number, [], [unit], now)
        ledger.hold_unit(row.id, hold_of(TreeEdited))
    world.pass_time(1200)

    (message,) = world.out
    assert "1 thing waiting for a person" in message.title
    assert "XS-TREE-EDITED" in message.title
    assert "XS-MIRROR-GONE" not in message.body


def test_what_a_person_paused_or_a_route_that_is_gone_asks_nobody(world: NoticesWorld) -> None:
    world.ledger.stand_by("scanner", world.time)
    world.ledger.pause(PauseRow("route scanner", world.run_id, world.time, None, 1, "XS-DECLINED", "", ""))
    world.ledger.pause(PauseRow("server former", world.run_id, world.time, None, 1, "XS-AUTH-REFUSED", "", ""))
    world.ledger.remember_route("former", "drop", "", world.time)
    number = world.ledger.new_item("former", "drop", "x", "f", 1, 1, world.time).id
    world.ledger.hold_item(number, hold_of(NoRule))
    world.pass_time(HOUR)

    assert world.out == []


def test_an_agent_that_was_drained_or_is_back_soon_was_not_missing(world: NoticesWorld) -> None:
    for state, ago in (("draining", 7200), ("at work", 60)):
        row = AgentRow(1, "boot", world.time, later(world.time, -ago), json.dumps({"state": state}))
        world.ledger.beat(row)
        note_absence(world.ledger, world.time, ["ops"])

    assert world.ledger.causes("ops", "") == []


# --- the outbox ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("sent", [False, True], ids=["before the sending", "before it is written down"])
def test_a_kill_between_event_and_sending_loses_nothing_and_doubles_with_the_same_number(
    sent: bool, world: NoticesWorld
) -> None:
    world.held(NoRule)
    world.time = later(world.time, 700)

    def killed(address: str, message: Message) -> None:
        if sent:
            world.out.append(message)
        raise Killed

    world.teller().look()
    world.time = later(world.time, 700)
    world.sender = killed
    with pytest.raises(Killed):
        world.teller().step()
    world.ledger.close()
    world.ledger = open_ledger(world.root / "ledger.db")
    world.sender = world._take
    world.pass_time(HOUR)

    assert len(world.out) == 1 + sent
    assert len({message.body for message in world.out}) == 1
    assert "xs-0002" in world.out[0].body


def test_a_mail_server_that_is_down_is_tried_ever_later_and_nothing_is_lost(world: NoticesWorld) -> None:
    world.down = True
    world.held(NoRule)
    tries: list[str] = []

    def counted(address: str, message: Message) -> None:
        tries.append(world.time)
        world._take(address, message)

    world.sender = counted
    world.pass_time(26 * HOUR, step_s=150)
    assert 24 <= len(tries) <= 32
    ((row, many),) = world.ledger.waiting_messages()
    assert (row.target, row.failed, many) == ("ops", "it could not be reached", 1), "no reminder while one waits"

    world.down = False
    world.pass_time(HOUR)
    assert len(world.out) == 1
    assert world.ledger.waiting_messages() == []


def test_a_target_that_is_down_holds_up_no_other_and_one_that_is_removed_is_forgotten(world: NoticesWorld) -> None:
    text = (world.root / "xnatsync.toml").read_text() + f'[notify.two]\nurl_file = "{world.root}/two.url"\n'
    (world.root / "two.url").touch(mode=0o600)
    (world.root / "two.url").write_text("json://two")
    (world.root / "xnatsync.toml").write_text(text)
    from xnatsync.config.load import load

    world.config = load(world.root / "xnatsync.toml")

    def only_two(address: str, message: Message) -> None:
        if "two" not in address:
            raise NotifyFailed("it could not be reached")
        world.out.append(message)

    world.sender = only_two
    world.held(NoRule)
    world.pass_time(HOUR)
    assert len(world.out) == 1

    world.ledger.tidy_outbox(["two"], world.time)
    assert world.ledger.waiting_messages() == []


def test_a_day_of_trouble_makes_no_more_messages_than_causes(world: NoticesWorld) -> None:
    """Sixty exams, three of them held and mended, a table refused twice, a server away three times, flapping."""
    held: list[int] = []
    pause = PauseRow("server prod", world.run_id, world.time, None, 3, ServerUnreachable.code, "w", "a")
    teller = world.teller()
    for minute in range(24 * 60):
        if minute % 24 == 5:
            held.append(world.held((NoRule, NotComplete, PatientDiffers)[minute // 24 % 3], f"wording {minute}"))
        if minute % 480 == 479:
            for number in held:
                world.ledger.release_item(number)
            held.clear()
        if minute % 400 == 100:
            world.ledger.pause(pause)
        if minute % 400 == 140:
            world.ledger.unpause("server prod")
        if minute % 700 == 300:
            table(world, "line 3")
        if minute % 700 == 390:
            table(world, "")
        if minute % 3 == 0:
            world.pass_time(180, each=lambda: None, step_s=180)
            teller.step()
    causes = world.ledger._scalar("select count(*) from cause")
    asking = [message for message in world.out if not message.good]

    assert 8 <= len(asking) <= causes
    assert len(world.out) - len(asking) <= causes


# --- addresses and secrets -------------------------------------------------------------------------------------------


class Box:
    """A mail server's inbox."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content.decode())
        return "250 OK"


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_message_arrives_by_mail_and_by_webhook_once_the_server_is_back(world: NoticesWorld) -> None:
    box, port = Box(), free_port()
    world.address(f"mailto://127.0.0.1:{port}?from=xnatsync@example.org&to=ops@example.org&mode=insecure")
    world.held(NoRule, "DOE^JANE has no rule")
    world.pass_time(1200)
    assert world.ledger.waiting_messages()[0][0].failed == "it could not be reached"

    mail = Controller(box, hostname="127.0.0.1", port=port)
    mail.start()
    try:
        world.pass_time(3000, step_s=300)
    finally:
        mail.stop()
    (text,) = box.mails
    assert "XS-NO-RULE" in text
    assert "DOE" not in text

    with web() as hook:
        world.address(f"json://127.0.0.1:{hook.port}/hook")
        world.held(NotComplete)
        world.pass_time(1200)
        (message,) = hook.messages
    assert message["title"] == "xnatsync: route scanner: 1 item not complete for too long (XS-NOT-COMPLETE)"


SECRET = "T0PSECRETTOKEN"


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("json://ops:{secret}@127.0.0.1:{port}/{secret}", 403, "it answered HTTP 403"),
        ("json://ops:{secret}@127.0.0.1:{port}/{secret}", 500, "it answered HTTP 500"),
        ("json://ops:{secret}@127.0.0.1:1/{secret}?token={secret}", 0, "it could not be reached"),
        ("nonsense-{secret}", 0, "the address is not understood"),
        ("slack://{secret}", 0, "the address is not understood"),
    ],
)
def test_no_part_of_an_address_is_in_the_ledger_a_log_or_an_error(
    address: str, status: int, words: str, world: NoticesWorld, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    with web() as hook:
        hook.status = status
        world.address(address.format(secret=SECRET, port=hook.port))
        world.held(NoRule)
        caplog.set_level(0)
        world.pass_time(1200)

    assert world.ledger.waiting_messages()[0][0].failed == words
    world.ledger.close()
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in world.root.glob("ledger.db*"))
    said = capfd.readouterr()
    assert SECRET not in caplog.text + said.out + said.err
    world.ledger = open_ledger(world.root / "ledger.db")


def test_a_file_that_others_can_read_or_that_is_missing_is_not_used(world: NoticesWorld) -> None:
    world.address("json://127.0.0.1:1")
    world.held(NoRule)
    (world.root / "ops.url").chmod(0o644)
    world.pass_time(1200)
    assert "can be read by others" in (world.ledger.waiting_messages()[0][0].failed or "")
    (world.root / "ops.url").unlink()
    world.pass_time(HOUR)
    assert "cannot be read" in (world.ledger.waiting_messages()[0][0].failed or "")


def test_an_address_comes_from_the_environment_too_and_never_from_the_configuration(
    world: NoticesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web() as hook:
        monkeypatch.setenv("XNATSYNC_NOTIFY_OPS_URL", f"json://127.0.0.1:{hook.port}/from-environment")
        world.sender = send
        world.held(NoRule)
        world.pass_time(1200)
        assert hook.got[0]["path"] == "/from-environment"
    with pytest.raises(ConfigInvalid) as refused:
        world.configure(url=f'"json://{SECRET}"')
    assert "url_file" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"states": '["held", "hold"]'}, "must be one of"),
        ({"states": '["retried"]'}, "must be one of"),
        ({"routes": '["scaner"]'}, "no route or job is called scaner"),
        ({"per_hour": "0"}, "at least 1"),
        ({"remind": "3"}, "duration"),
    ],
)
def test_a_wrong_target_is_a_problem_of_the_configuration(
    line: dict[str, str], words: str, world: NoticesWorld
) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        world.configure(**line)
    assert words in str(refused.value)


# --- the thread ------------------------------------------------------------------------------------------------------


def test_whatever_a_library_raises_stops_neither_the_thread_nor_the_agent(world: NoticesWorld) -> None:
    bugs: list[str] = []

    def broken(address: str, message: Message) -> None:
        raise RuntimeError("a plug-in is broken")

    world.sender = broken
    world.held(NoRule)
    teller = world.teller()
    notifier = Notifier([teller.step], bugs.append)
    world.time = later(world.time, 700)
    teller.look()
    world.time = later(world.time, 700)
    notifier._step(teller.step)
    assert "a plug-in is broken" in bugs[0]
    world.ledger.close()
    notifier._step(teller.step)

    world.ledger = open_ledger(world.root / "ledger.db")
    assert world.ledger.first_waiting("ops") is not None
