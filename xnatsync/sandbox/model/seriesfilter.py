"""Series import filters: which objects the site or a project does not want (import.md §4.10)."""

from __future__ import annotations

import json
import re

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.dicomhead import Head
from xnatsync.sandbox.model.site import Site

_KEY = "seriesImportFilter/config"


def wanted(site: Site, project: str, head: Head) -> bool:
    """Return whether both the site's and the project's filter let an object in."""
    settings = site.settings
    if settings.flag("enableSitewideSeriesImportFilter"):
        mode, lines = settings.text("sitewideSeriesImportFilterMode"), settings.text("sitewideSeriesImportFilter")
        if not _passes(mode, lines, head):
            return False
    config = site.record.configs.get(f"{project}/{_KEY}") if project else None
    if config is None or str(config.get("status", "enabled")) != "enabled":
        return True
    try:
        parsed = json.loads(str(config.get("contents", "") or "{}"))
    except ValueError as error:
        raise ModelError(500, f"The series import filter of {project} is not understood: {error}") from error
    if not isinstance(parsed, dict) or str(parsed.get("enabled", "true")).lower() == "false":
        return True
    return _passes(str(parsed.get("mode", "blacklist")), str(parsed.get("list", "")), head)


def _passes(mode: str, lines: str, head: Head) -> bool:
    """Compare the series description with regular expressions, one per line; a modality map goes by modality."""
    if mode == "modalityMap":
        return _passes_map(lines, head)
    if mode not in {"blacklist", "whitelist"}:
        raise ModelError(500, f"Unknown mode of a series import filter: {mode}")
    patterns = [line.strip() for line in lines.splitlines() if line.strip()]
    description = head.text(0x0008103E)
    found = any(re.fullmatch(pattern, description, re.IGNORECASE) for pattern in patterns)
    return found if mode == "whitelist" else not found


def _passes_map(text: str, head: Head) -> bool:
    try:
        by_modality = json.loads(text or "{}")
    except ValueError as error:
        raise ModelError(500, f"The modality map of the series import filter is not understood: {error}") from error
    chosen = by_modality.get(head.text(0x00080060)) if isinstance(by_modality, dict) else None
    return chosen is None or re.fullmatch(str(chosen), head.text(0x0008103E), re.IGNORECASE) is not None
