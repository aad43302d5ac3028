"""A plan of a transfer as a file: what is to be done, entity by entity, each with a digest of all that it means."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xnatsync.core.errors import ConfigError, SourceGone
from xnatsync.core.inventory import Owner
from xnatsync.routes.transfer.run import TransferPlan
from xnatsync.routes.transfer.wanted import Change, Create, CreateResource, Effect, Wanted

SCHEMA: Final = "xnatsync/project-transfer-plan/1"
_BYTES_MAX: Final = 256 << 20
ADVICE: Final = "`xnatsync project transfer --dry-run -o json` writes one."
Key = tuple[str, str]  # of an entity: its kind, and its ID at the source


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was read."""

    document: dict[str, Any]
    steps: Mapping[Key, str]  # each entity, and the digest of what is to be done with it
    labels: Mapping[Key, str]


def step_digest(wanted: Wanted) -> str:
    """Digest what is to be done with an entity: the values that are set, and the files with size and digest."""
    lines = sorted(repr(_whole(effect)) for effect in wanted.effects)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _whole(effect: Effect) -> tuple[object, ...]:
    if isinstance(effect, Create | Change):
        return type(effect).__name__, effect.part, sorted((path, here) for path, (here, _) in effect.pending.items())
    if isinstance(effect, CreateResource):
        return "CreateResource", effect.key.scan, effect.key.label, effect.format, effect.content
    files = sorted((file.name, file.size, file.digest, file.sop_uid) for file in getattr(effect, "files", ()))
    key = getattr(effect, "key", None)
    place = (key.scan, key.label) if key is not None else ()
    return type(effect).__name__, *place, bool(getattr(effect, "replaces", False)), files


def due(plan: TransferPlan) -> Iterator[tuple[Key, Owner, Wanted]]:
    """Yield the entities of a plan with which something is to be done."""
    for owner, wanted in plan.steps:
        if wanted.effects:
            yield owner.key, owner, wanted


def changed_since(planned: Planned, plan: TransferPlan) -> tuple[frozenset[Key], tuple[tuple[str, str], ...]]:
    """Return what of a plan is still to be done just so, and what is not done, with the reason."""
    now = {key: (step_digest(wanted), owner) for key, owner, wanted in due(plan)}
    only = frozenset(key for key, digest in planned.steps.items() if key in now and now[key][0] == digest)
    told = []
    for key, digest in planned.steps.items():
        label = planned.labels.get(key, key[1])
        if key not in now:
            told.append((label, "nothing is to be done any more: it agrees, is held, or is gone"))
        elif now[key][0] != digest:
            told.append((label, "it changed since the plan was made, so it was left as it is"))
    new = [owner for key, (_, owner) in now.items() if key not in planned.steps]
    told += [(owner.session or owner.subject or owner.id, "it is not in the plan") for owner in new]
    return only, tuple(told)


def read_plan(path: Path) -> Planned:
    """Read a plan; ConfigError for what is none."""
    try:
        raw = path.read_bytes() if path.stat().st_size <= _BYTES_MAX else b""
    except FileNotFoundError:
        raise SourceGone(f"{path} is not there", advice=ADVICE) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error
    try:
        document = json.loads(raw)
        is_one = document["schema"] == SCHEMA and document["dry_run"] is True
        steps = {(str(one["kind"]), str(one["source_id"])): one for one in document["steps"]}
        digests = {key: str(one["digest"]) for key, one in steps.items()}
        labels = {key: str(one["label"]) for key, one in steps.items()}
    except (ValueError, KeyError, TypeError, RecursionError):
        is_one, digests, labels = False, {}, {}
    if not is_one:
        raise ConfigError(f"{path} is no plan of a transfer", advice=ADVICE)
    return Planned(document, digests, labels)
