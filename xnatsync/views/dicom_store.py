"""How a transfer by C-STORE ended, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.store_plan import Pair
from xnatsync.core.wording import counted, size, span
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.jsonout import error_fields

if TYPE_CHECKING:
    from xnatsync.app.dicom_store import StoreReport
    from xnatsync.app.store_proof import Proof
    from xnatsync.app.store_survey import Left
    from xnatsync.dicomnet.sending import Sent

_SHOWN = 10  # files of one heap: the document has them all


def store_blocks(report: StoreReport) -> Iterator[Block]:
    """Report to a person."""
    order = report.order
    whole = f"{counted(report.objects, 'object')}, {size(report.size)}"
    yield Line(f"{order.source} to {order.peer}: {whole}", Tone.HEAD)
    yield from _echo_line(report)
    if order.dry_run:
        yield from _rehearsed(report)
    else:
        yield from _transferred(report)
    yield from _heap(report.doubtful, "! not sent", Tone.BAD)
    if report.copies:
        yield Line(f"= {counted(report.copies, 'file')} not sent: the same object is in another file", indent=2)
    if report.others:
        yield Line(f"~ {counted(len(report.others), 'file')} not sent: no DICOM objects", Tone.DIM, indent=2)


def _echo_line(report: StoreReport) -> Iterator[Line]:
    if report.echo is not None and report.echo != 0:
        yield Line(f"! the receiver answered C-ECHO with 0x{report.echo:04X}", Tone.WARN, indent=2)
    elif report.order.dry_run:
        words = "answers C-ECHO" if report.echo == 0 else "accepts associations, and offers no C-ECHO"
        yield Line(f"= the receiver {words}", Tone.GOOD, indent=2)


def _rehearsed(report: StoreReport) -> Iterator[Block]:
    wanted = report.objects - report.refused_objects
    yield Line(f"+ would be accepted: {counted(wanted, 'object')}; nothing was sent", indent=2)
    for pair in report.refused[:_SHOWN]:
        yield Line(f"! the receiver does not accept {_pair_words(pair)}", Tone.BAD, indent=2)
    if report.refused:
        yield Line(f"! would not be accepted: {counted(report.refused_objects, 'object')}", Tone.BAD, indent=2)


def _transferred(report: StoreReport) -> Iterator[Block]:
    if report.stored or report.warned:
        sent = f"{counted(report.stored + len(report.warned), 'object')}, {size(report.sent_bytes)}"
        yield Line(f"+ confirmed by the receiver in {span(report.seconds)}: {sent}", Tone.GOOD, indent=2)
    if report.before:
        text = f"= confirmed before, and not sent again: {counted(report.before, 'object')} (`--again` sends them)"
        yield Line(text, indent=2)
    yield from _outcomes(report.warned, Tone.WARN)
    yield from _outcomes(report.failed, Tone.BAD)
    if report.proof is not None:
        yield from _proof_lines(report.proof)
    elif report.confirmed:
        text = "the receiver's word is all that is known: `--profile` looks for the objects on the server"
        yield Line(text, Tone.DIM, indent=2)


def _outcomes(sent: Sequence[Sent], tone: Tone) -> Iterator[Line]:
    for (outcome, words), count in Counter((one.outcome, _words(one)) for one in sent).most_common(_SHOWN):
        yield Line(f"! {counted(count, 'object')} {_VERBS.get(outcome.value, outcome.value)}: {words}", tone, indent=2)
    for one in sent[:_SHOWN]:
        yield Line(one.object.path, Tone.DIM, indent=6)
    if len(sent) > _SHOWN:
        yield Line(f"and {len(sent) - _SHOWN} more; `-o json` lists all", Tone.DIM, indent=6)


_VERBS = {
    "warning": "stored with a warning",
    "refused": "refused for now",
    "unknown": "of unknown outcome",
    "not-accepted": "not accepted, so not sent",
    "changed": "changed while they were read, so not sent",
    "not-sent": "not sent",
}


def _words(one: Sent) -> str:
    return _pair_words(one.object.pair) if one.outcome.value == "not-accepted" else one.words


def _proof_lines(proof: Proof) -> Iterator[Line]:
    listed = f"{proof.found} of {counted(proof.expected, 'object')}"
    if not proof.missing:
        yield Line(f"= listed on {proof.server}: {listed}", Tone.GOOD, indent=2)
        return
    state = "still receives or builds" if proof.waiting else "has finished with them"
    yield Line(f"! listed on {proof.server}: {listed}; the server {state}", Tone.BAD, indent=2)
    if proof.waiting:
        yield Line("run the same command again later, or with a longer `--wait`", indent=4)
    else:
        yield Line(
            "a filter or a script of the server may have dropped them, or they were deleted: `--again` sends them",
            indent=4,
        )
    for path in proof.missing[:_SHOWN]:
        yield Line(path, Tone.DIM, indent=6)


def _heap(left: Sequence[Left], what: str, tone: Tone) -> Iterator[Line]:
    for one in left[:_SHOWN]:
        yield Line(f"{what}: {one.path}: {one.why}", tone, indent=2)
    if len(left) > _SHOWN:
        yield Line(f"and {len(left) - _SHOWN} more; `-o json` lists all", tone, indent=4)


def store_fields(report: StoreReport, code: int) -> dict[str, object]:
    """Describe the same for programs."""
    peer = report.order.peer
    return {
        "exit_code": code,
        "source": str(report.order.source),
        "host": peer.host,
        "port": peer.port,
        "called_aet": peer.called,
        "calling_aet": peer.calling,
        "tls": peer.tls is not None,
        "dry_run": report.order.dry_run,
        "echo": report.echo,
        "objects": report.objects,
        "bytes": report.size,
        "confirmed": report.confirmed,
        "confirmed_before": report.before,
        "confirmed_before_at": report.before_at or None,
        "sent_bytes": report.sent_bytes,
        "warned": [_sent_fields(one) for one in report.warned],
        "failed": [_sent_fields(one) for one in report.failed],
        "not_accepted": [{"sop_class": p.sop_class, "transfer_syntax": p.syntax} for p in report.refused],
        "not_accepted_objects": report.refused_objects,
        "doubtful": [_left_fields(one) for one in report.doubtful],
        "others": [_left_fields(one) for one in report.others],
        "copies": report.copies,
        "associations": report.associations,
        "ended": error_fields(report.ended) if report.ended is not None else None,
        "proof": _proof_fields(report.proof) if report.proof is not None else None,
        "seconds": round(report.seconds, 3),
    }


def _sent_fields(one: Sent) -> dict[str, object]:
    pair = one.object.pair
    return {
        "path": one.object.path,
        "sop_uid": one.object.sop_uid,
        "sop_class": pair.sop_class,
        "transfer_syntax": pair.syntax,
        "outcome": one.outcome.value,
        "status": one.status,
        "detail": one.words,
    }


def _left_fields(one: Left) -> dict[str, object]:
    return {"path": one.path, "reason": one.why}


def _proof_fields(proof: Proof) -> dict[str, object]:
    return {
        "server": proof.server,
        "expected": proof.expected,
        "listed": proof.found,
        "missing": list(proof.missing),
        "places": list(proof.places),
        "waiting": proof.waiting,
        "seconds": round(proof.seconds, 3),
    }


def _pair_words(pair: Pair) -> str:
    """Name a class and a syntax: UIDs alone help few people."""
    from pydicom.uid import UID

    return f"{UID(pair.sop_class).name} in {UID(pair.syntax).name}"
