"""What workers on other machines do is what the local engine does, wherever they die and whatever they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from transfer.afar import AfarWorld, Dead
from transfer.engine_world import EngineWorld, furnish
from transfer.model import WRITES, Archive
from xnatsync.core.errors import OutcomeUnknown, RequestRefused, WorkerLost
from xnatsync.ledger.tree_rows import DeedRow
from xnatsync.routes.transfer.errand import Answer, Done, Errand, Send


def a_world(kind: type[EngineWorld], folder: Path, *, digests: bool = True, **keys: object) -> EngineWorld:
    source, there = Archive("a"), Archive("b", digests=digests)
    furnish(source)
    return kind(folder, source, there, quiet_s=30.0, delay_s=1.0, **keys)


def known(world: EngineWorld) -> object:
    """What the ledger concludes: of each entity, what stands for it, and the files that both hold."""
    rows = world.ledger.owners("t")
    return [
        (
            row.kind, row.session or row.subject, row.phase, row.code,
            {part: (one.there_label, dict(one.facts)) for part, one in world.ledger.counterparts(row.id).items()},
            sorted((one.scan, one.label, one.name, one.size, one.md5) for one in world.ledger.living_of(row.id)),
        )
        for row in rows
    ]  # fmt: skip


def at_rest(world: AfarWorld) -> None:
    """No deed is open, and another run changes nothing."""
    assert world.ledger.open_deeds() == []
    assert world.run().outcome == "complete"
    assert world.there.writes == []


@pytest.mark.parametrize("digests", [True, False], ids=["digests", "no digests"])
def test_workers_do_what_the_local_engine_does(tmp_path: Path, *, digests: bool) -> None:
    """The same requests to the destination in the same order, the same conclusions; bytes are fetched by workers."""
    local, afar = (a_world(kind, tmp_path / kind.__name__, digests=digests) for kind in (EngineWorld, AfarWorld))
    ends = [world.run() for world in (local, afar)]
    assert [one.outcome for one in ends] == ["complete"] * 2
    assert ends[0].counts == ends[1].counts
    assert afar.there.state() == local.there.state()
    assert known(afar) == known(local)
    assert sorted(afar.there.calls) == sorted(local.there.calls)
    assert isinstance(afar, AfarWorld)
    assert {one.owner.session for one in afar.workers.errands} == {"", "S1_MR", "S2_MR"}
    at_rest(afar)


def test_a_worker_that_dies_at_any_write_changes_nothing_in_the_result(tmp_path: Path) -> None:
    """Before it, or after it: the coordinator looks again when it is quiet, and the result is the local engine's."""
    local = a_world(EngineWorld, tmp_path / "local")
    local.run()
    many = len(local.there.writes)
    assert many > 40
    for moment in range(0, 2 * many, 7):
        afar = a_world(AfarWorld, tmp_path / f"dies{moment}")
        assert isinstance(afar, AfarWorld)
        seen = [0]

        def die(call: str, seen: list[int] = seen, number: int = moment // 2) -> None:
            seen[0] += call in WRITES
            if call in WRITES and seen[0] == number + 1:
                seen[0] += 1
                raise Dead

        setattr(afar.there, "after" if moment % 2 else "before", die)
        ends = [afar.run().outcome for _ in range(2)]
        assert (ends[-1], afar.workers.deaths) == ("complete", 1), moment
        assert afar.there.state() == local.there.state(), moment
        assert {one[2] for one in known(afar)} == {"agreed"}, moment  # type: ignore[attr-defined]
        at_rest(afar)


def test_workers_that_die_one_after_the_other_end_the_tries_of_a_unit(tmp_path: Path) -> None:
    """It waits, the others go on, and the ledger knows of no deed that is open."""
    afar = a_world(AfarWorld, tmp_path / "one", retries=2)
    assert isinstance(afar, AfarWorld)
    first = afar.source.find("S1_MR").name

    def die(errand: Errand) -> None:
        if errand.owner.session == first:
            raise WorkerLost("a worker ended without an answer")

    afar.workers.before = die
    done = afar.run()
    assert (done.outcome, done.failed) == ("partial", {"session": 1})
    held = [row for row in afar.ledger.owners("t") if row.hold is not None]
    assert [(row.session, row.code) for row in held] == [(first, "XS-WORKER-LOST")]
    assert afar.ledger.open_deeds() == []
    afar.workers.before = lambda errand: None
    assert [afar.run().outcome for _ in range(2)][-1] == "complete"
    assert "S2_MR" in afar.there.state_text()


def test_max_failures_stops_the_run_when_workers_fail_everything(tmp_path: Path) -> None:
    """Subject after subject: the breaker is the local engine's."""
    afar = a_world(AfarWorld, tmp_path / "one", retries=0, max_failures=2)
    assert isinstance(afar, AfarWorld)

    def refuse(call: str) -> None:
        if call == "create_subject":
            raise RequestRefused("never")

    afar.there.before = refuse
    done = afar.run()
    assert [error.code for error in done.errors] == ["XS-TOO-MANY-FAILURES"]


# --- answers that are none -------------------------------------------------------------------------------------------


def _more(_: Errand, answer: Answer) -> Answer:
    return replace(answer, done=(*answer.done, Done()))


def _forget(errand: Errand, answer: Answer) -> Answer:
    """Say of a carried resource that all is well, and leave out a file."""
    done = [
        replace(one, arrived=one.arrived[1:]) if isinstance(order, Send) else one
        for order, one in zip(errand.orders, answer.done, strict=True)
    ]
    return replace(answer, done=tuple(done))


def _strange(errand: Errand, answer: Answer) -> Answer:
    """Say that a file arrived that nobody asked for."""
    done = [
        replace(one, arrived=(*one.arrived, replace(one.arrived[0], name="other.dcm"))) if one.arrived else one
        for one in answer.done
    ]
    return replace(answer, done=tuple(done))


def _twice(errand: Errand, answer: Answer) -> Answer:
    done = [replace(one, arrived=(*one.arrived, *one.arrived)) for one in answer.done]
    return replace(answer, done=tuple(done))


def _nameless(errand: Errand, answer: Answer) -> Answer:
    return replace(answer, done=tuple(replace(one, there_id="") for one in answer.done))


@pytest.mark.parametrize("tamper", [_more, _forget, _strange, _twice, _nameless])
def test_what_a_worker_answers_is_believed_only_where_it_fits(
    tmp_path: Path, tamper: Callable[[Errand, Answer], Answer]
) -> None:
    """Once each: the unit is looked at again, and comes out as it should."""
    local, afar = a_world(EngineWorld, tmp_path / "local"), a_world(AfarWorld, tmp_path / "afar")
    local.run()
    assert isinstance(afar, AfarWorld)
    met = []

    def once(errand: Errand, answer: Answer) -> Answer:
        tampered = tamper(errand, answer)
        if tampered == answer or len(met) >= 2:
            return answer
        met.append(errand.attempt)
        return tampered

    afar.workers.tamper = once
    assert [afar.run().outcome for _ in range(2)][-1] == "complete"
    assert met
    assert {deed.outcome for deed in _deeds(afar) if deed.request_id.split(".")[0] in met} == {"unknown"}
    assert afar.there.state() == local.there.state()
    at_rest(afar)


def test_a_worker_that_says_done_and_did_nothing_is_found_out(tmp_path: Path) -> None:
    """An answer is no proof: what it says arrived is not at the destination, so the entity is not agreed."""
    afar = a_world(AfarWorld, tmp_path / "one", verify=False, retries=0)
    assert isinstance(afar, AfarWorld)
    put = afar.there.put_resource_files
    afar.there.put_resource_files = lambda *args, **keys: frozenset()  # type: ignore[method-assign]
    done = afar.run()
    states = {row.session: row.phase for row in afar.ledger.owners("t") if row.session}
    assert done.outcome != "complete"
    assert "agreed" not in states.values()
    afar.there.put_resource_files = put  # type: ignore[method-assign]


def test_a_write_without_an_answer_at_a_worker_is_waited_for(tmp_path: Path) -> None:
    """Its error comes back as it was: the deed is unknown, and is looked at when it is quiet."""
    local, afar = a_world(EngineWorld, tmp_path / "local"), a_world(AfarWorld, tmp_path / "afar")
    local.run()
    assert isinstance(afar, AfarWorld)
    met = []

    def cut(call: str) -> None:
        if call == "create_part" and not met:
            met.append(call)
            raise OutcomeUnknown("no answer", http=504)

    afar.there.after = cut
    assert [afar.run().outcome for _ in range(2)][-1] == "complete"
    assert "XS-OUTCOME-UNKNOWN" in {deed.code for deed in _deeds(afar)}
    assert afar.there.state() == local.there.state()


def _deeds(world: EngineWorld) -> list[DeedRow]:
    columns = ", ".join(DeedRow.__dataclass_fields__)
    return [DeedRow(*row) for row in world.ledger._raw.execute(f"select {columns} from deed")]
