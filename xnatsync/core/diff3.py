"""The heart: what follows from three trees.

`diff3` compares source and target under the merge base (what was last agreed, or what we are known to have sent):
two trees alone cannot tell "our own damaged upload: repair it" from "somebody else's data: never overwrite".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from xnatsync.core.compare import Same, same, strongest
from xnatsync.core.manifest import Level
from xnatsync.core.tree import Node, Problem, Tree

Policy = Literal["add", "replica"]


class BaseState(Enum):
    """What the merge base knows of a key."""

    NONE = "we never put anything there"
    SENT = "what is there may be our own unfinished work"
    VERIFIED = "we proved that the target held it"


@dataclass(frozen=True, slots=True)
class BaseNode:
    """One key of the merge base: the state, and the target as it was last seen to agree."""

    key: str
    state: BaseState
    source_digest: str = ""  # sha256 of what we sent
    target: Node | None = None
    acknowledged: bool = False  # the server answered "stored" to an upload of this content from here


class ActionKind(Enum):
    """What to do with a key, with the sigil that plans are printed with."""

    WRITE = "+"
    REPAIR = "~"
    REMOVE = "-"
    AGREE = "="


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do."""

    kind: ActionKind
    key: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sides that disagree about a key, where no policy allows us to choose."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows.  `unproven` needs a deeper comparison; `extra` is on the target alone and none of our business."""

    actions: tuple[Action, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[Problem, ...] = ()
    unproven: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def keys(self, *kinds: ActionKind) -> tuple[str, ...]:
        """List the keys with one of these actions."""
        return tuple(action.key for action in self.actions if action.kind in kinds)


def diff3(
    base: Mapping[str, BaseNode], source: Tree, target: Tree, *, policy: Policy = "add", level: Level = Level.NAMES
) -> Plan:
    """Decide for every key of source and target; total: each key gets exactly one answer.

    An incomplete target listing proves presence, never absence: what it does not show is unproven, not missing.
    An incomplete source listing never removes anything.
    """
    plan: dict[str, list[object]] = {"actions": [], "conflicts": [], "problems": [], "unproven": [], "extra": []}
    for key in sorted({*source, *target}):
        kind, answer = _decide(key, base.get(key, BaseNode(key, BaseState.NONE)), source, target, policy, level)
        plan[kind].append(answer)
    return Plan(**{name: tuple(found) for name, found in plan.items()})  # type: ignore[arg-type]


def _decide(
    key: str, base: BaseNode, source: Tree, target: Tree, policy: Policy, level: Level
) -> tuple[str, Action | Conflict | Problem | str]:
    ours, theirs = source.get(key), target.get(key)
    if isinstance(ours, Problem):
        return "problems", ours
    if isinstance(theirs, Problem):
        return "problems", theirs
    if ours is None:
        assert theirs is not None
        return _gone_at_source(key, base, theirs, source, policy)
    if theirs is None:
        return ("actions", Action(ActionKind.WRITE, key)) if target.complete else ("unproven", key)
    return _both(key, base, ours, theirs, policy, level)


def _gone_at_source(
    key: str, base: BaseNode, theirs: Node, source: Tree, policy: Policy
) -> tuple[str, Action | Conflict | str]:
    """Remove only under `replica`, only what is still exactly what we verified, never on an incomplete listing."""
    ours_alone = (
        base.state is BaseState.VERIFIED
        and base.target is not None
        and same(base.target, theirs, Level.BYTES) is Same.YES
    )
    if policy == "replica" and source.complete and ours_alone:
        return "actions", Action(ActionKind.REMOVE, key)
    return "extra", key


def _both(
    key: str, base: BaseNode, ours: Node, theirs: Node, policy: Policy, level: Level
) -> tuple[str, Action | Conflict | str]:
    level = strongest(level, ours.level)
    verdict = same(ours, theirs, level)
    if policy == "add" and level is not Level.BYTES and verdict is not Same.CANNOT_TELL and sent_otherwise(base, ours):
        return "conflicts", Conflict(key, "another version of it was sent from here before")
    if verdict is Same.YES:
        return "actions", Action(ActionKind.AGREE, key)
    if verdict is Same.CANNOT_TELL:
        return "unproven", key
    match base.state:
        case BaseState.SENT:
            return "actions", Action(ActionKind.REPAIR, key)
        case BaseState.VERIFIED:
            untouched = base.target is not None and same(base.target, theirs, Level.BYTES) is Same.YES
            if policy == "replica" and untouched:
                return "actions", Action(ActionKind.REPAIR, key)
            return "conflicts", Conflict(
                key, "the source changed after it was verified" if untouched else "the target changed"
            )
        case BaseState.NONE:
            return "conflicts", Conflict(key, "the target holds something else, which we did not put there")


def sent_otherwise(base: BaseNode | None, ours: Node) -> bool:
    """Return whether what we last sent under this key was other content than the source has now.

    Names, sizes and even pixels would agree, and yet what somebody corrected in between is nowhere on the target.
    """
    digest = ours.digests.get("sha256", "")
    return base is not None and bool(base.source_digest and digest) and base.source_digest != digest


def may_be_cut(keys: Sequence[str], source: Tree, staged: Tree, base: Mapping[str, BaseNode]) -> tuple[str, ...]:
    """Return the keys of which our row may hold the beginning only, which an upload without an answer left.

    They list with fewer bytes than were sent, if not with fewer than their pixel data have: their ends may be wanting.
    A script may have shortened a head as well: then it is sent once more for nothing, and acknowledged.
    """
    return tuple(key for key in keys if key in staged and _is_shorter(source[key], staged[key], base.get(key)))


def _is_shorter(ours: Node | Problem, theirs: Node | Problem, known: BaseNode | None) -> bool:
    if not isinstance(ours, Node) or not isinstance(theirs, Node) or ours.size is None or theirs.size is None:
        return False
    return theirs.size < ours.size and not (known is not None and known.acknowledged)
