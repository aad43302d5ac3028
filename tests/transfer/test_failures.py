"""What fails is tried again ever later; so many subjects in a row stop the run; nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from transfer.engine_world import EngineWorld, furnish
from transfer.inline import inline
from xnatsync.core.errors import (
    AccessDenied,
    CredentialsRefused,
    OutcomeUnknown,
    ReadFailed,
    ServerUnreachable,
    ServerUnwell,
    XnatsyncError,
)

SUBJECTS = [f"N{number}" for number in range(6)]


@pytest.fixture
def many(tmp_path: Path) -> EngineWorld:
    """Six subjects with nothing in them."""
    world = EngineWorld(tmp_path / "one", max_failures=3, retries=2)
    world.source.project("P")
    for label in SUBJECTS:
        world.source.subject("P", label)
    return world


def failing(world: EngineWorld, error: Callable[[], XnatsyncError | None], call: str = "create_subject") -> None:
    """Lets a call to the destination fail as `error` says."""

    def before(asked: str) -> None:
        if asked == call and (raised := error()) is not None:
            raise raised

    world.there.before = before


def labels(world: EngineWorld) -> list[str]:
    return sorted(one.label for one in world.there.things.values())


def test_so_many_subjects_in_a_row_stop_the_run(many: EngineWorld) -> None:
    """The rest is not asked for; the run says so, and the next one begins with all of them."""
    failing(many, lambda: AccessDenied("not any more"))

    with inline():
        done = many.run()

    assert many.there.calls.count("create_subject") == 3
    assert [(error.code, error.exit_code) for error in done.errors] == [("XS-TOO-MANY-FAILURES", 7)]
    assert (done.outcome, done.failed, done.unfinished) == ("stopped", {"subject": 3}, 6)

    failing(many, lambda: None)
    assert (many.run().outcome, labels(many)) == ("complete", SUBJECTS)


def test_a_success_begins_anew(many: EngineWorld) -> None:
    """Two of three fail, again and again: none is a third in a row."""
    turns = iter([1, 1, 0, 1, 1, 0])
    failing(many, lambda: AccessDenied("no") if next(turns) else None)

    with inline():
        done = many.run()

    assert (done.errors, done.failed, labels(many)) == ([], {"subject": 4}, ["N2", "N5"])


def test_what_waits_for_a_person_stops_nothing(many: EngineWorld) -> None:
    """A conflict is no failure."""
    many.there.project("Q")
    for label in SUBJECTS:
        many.there.subject("Q", label).xsi_type = "xnat:otherData"

    done = many.run()

    assert (done.errors, many.codes(), many.there.writes) == ([], {"XS-LABEL-TAKEN"}, [])


@pytest.mark.parametrize("error", [ServerUnwell, ReadFailed])
def test_what_fails_is_tried_again_ever_later(many: EngineWorld, error: type[XnatsyncError]) -> None:
    """As often as the route says, twice as long each time; then the next run tries."""
    for one in list(many.source.things.values())[1:]:
        del many.source.things[one.id]
    turns = iter([1, 1, 0])
    failing(many, lambda: error("busy") if next(turns) else None)

    done = many.run()

    assert (done.outcome, labels(many), many.clock.s) == ("complete", ["N0"], 15.0)


@pytest.mark.parametrize(
    ("error", "code"), [(CredentialsRefused, "XS-AUTH-REFUSED"), (ServerUnreachable, "XS-SERVER-UNREACHABLE")]
)
@pytest.mark.parametrize("side", ["source", "there"])
def test_a_side_that_is_down_ends_the_run_and_the_next_goes_on(
    many: EngineWorld, side: str, error: type[XnatsyncError], code: str
) -> None:
    """Nothing is called done, nothing counts as a failure of a subject."""
    archive = getattr(many, side)
    asked = []

    def before(call: str) -> None:
        asked.append(call)
        if len(asked) > 6:
            raise error("no")

    archive.before = before
    done = many.run(patience_s=30.0)

    assert ([found.code for found in done.errors], done.failed, done.outcome) == ([code], {}, "stopped")
    archive.before = lambda call: None
    assert (many.run().outcome, labels(many)) == ("complete", SUBJECTS)


@pytest.mark.parametrize("done", [True, False])
def test_a_write_without_an_answer_is_settled_by_looking(tmp_path: Path, done: bool) -> None:
    """Each write in turn, whether it was done or not: the same end, and no trouble."""
    whole = EngineWorld(tmp_path / "whole")
    furnish(whole.source)
    whole.run()
    for number in range(0, len(whole.there.writes), 4):
        world = EngineWorld(tmp_path / str(number))
        furnish(world.source)
        left = [number]

        def lose(call: str, left: list[int] = left, world: EngineWorld = world) -> None:
            if call in {"create_project", "create_subject"} or call.startswith(("create", "put", "over", "set", "cat")):
                left[0] -= 1
                if left[0] == -1:
                    raise OutcomeUnknown("no answer")

        if done:
            world.there.after = lose
        else:
            world.there.before = lose
        with inline():
            ended = world.run(patience_s=1000.0)
        assert (ended.outcome, world.troubles(), world.there.state()) == ("complete", [], whole.there.state())
        world.ledger.close()
