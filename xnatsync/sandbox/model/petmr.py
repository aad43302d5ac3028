"""What becomes of a session with PET and MR: a type of its own, or a PET session (`separatePETMR`, import.md §4.2)."""

from __future__ import annotations

import re
from typing import Final

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.site import Site

PET: Final = "pet"
_SEPARATE: Final = "separate"
_KNOWN: Final = frozenset({"", PET, "petmr", _SEPARATE})


def setting(site: Site, project: str) -> str:
    """Give a project's setting, else the site's; an unknown one fails every session."""
    document = site.record.configs.get(f"{project}/separatePETMR/config", {})
    own = str(document.get("contents", "")) if document.get("status", "enabled") == "enabled" else ""
    found = re.sub(r"\s", "", own or site.settings.text("sitewidePetMr")).lower()
    if found not in _KNOWN:
        raise ModelError(500, f"Unknown PET/MR setting {found}")
    return found


def is_separate(wanted: str, session: Experiment) -> bool:
    """Tell whether a session is to become two."""
    return wanted == _SEPARATE and session.xsi_type == "xnat:petmrSessionData"


def check(wanted: str, session: Experiment) -> None:
    """Refuse to make one session of what is to be two, where the sandbox does not separate (docs/sandbox.md)."""
    if is_separate(wanted, session):
        raise ModelError(500, "This sandbox does not separate PET/MR sessions here.")


def pet_label(label: str) -> str:
    """Give the label of a session that is built as PET: the last `petmr` in it becomes `PET`."""
    return re.sub(r"(?is)(.*)petmr", r"\1PET", label, count=1)
