"""`doctor`, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.doctor import Checks
    from xnatsync.app.transfer_check import TransferChecks

_MARKS = {"ok": ("ok      ", Tone.GOOD), "problem": ("problem ", Tone.BAD), "warning": ("warning ", Tone.WARN)}


def doctor_blocks(checks: Checks | TransferChecks) -> Iterator[Block]:
    """Tell a person what was found."""
    for check in checks.checks:
        mark, tone = _MARKS[check.state]
        yield Line(f"{mark}{check.name}: {check.text}", tone, hang=8)
        if check.advice:
            yield Line(f"what to do: {check.advice}", indent=8, hang=12)
    problems = sum(check.state == "problem" for check in checks.checks)
    warnings = sum(check.state == "warning" for check in checks.checks)
    found = [counted(many, word) for many, word in ((problems, "problem"), (warnings, "warning")) if many]
    yield Line(f"{', '.join(found)} found" if found else "everything is well", Tone.HEAD)


def doctor_fields(checks: Checks | TransferChecks) -> dict[str, object]:
    """The same for programs."""
    return {
        "exit_code": checks.exit_code,
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "text": check.text,
                "code": check.code,
                "advice": check.advice,
            }
            for check in checks.checks
        ],
    }
