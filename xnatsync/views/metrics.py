"""Metrics, for programs that read JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xnatsync.core.exposition import Family


def metrics_fields(found: Sequence[Family], path: Path | None) -> dict[str, object]:
    """Give each family with its values."""
    return {
        "path": str(path) if path is not None else None,
        "metrics": [
            {
                "name": family.name,
                "type": family.kind,
                "help": family.help,
                "samples": [{"labels": dict(sample.labels), "value": sample.value} for sample in family.samples],
            }
            for family in found
        ],
    }
