"""What the help of the commands that change things on a server shows as examples."""

from __future__ import annotations

from typing import Final

CHANGE_EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "project create": ('project create NEURO --name "Memory study" --pi "Jane Smith"',),
    "project delete": ("project delete NEURO --dry-run", "project delete NEURO --remove-files"),
    "project access": ("project access NEURO", "project access NEURO --set protected --dry-run"),
    "project users": ("project users NEURO",),
    "project grant": ("project grant NEURO jane --role collaborator",),
    "project revoke": ("project revoke NEURO jane --dry-run",),
    "subject show": ("subject show SUB001 -P NEURO",),
    "subject create": ("subject create SUB001 -P NEURO --gender female --yob 1970",),
    "subject delete": ("subject delete SUB001 -P NEURO --dry-run",),
    "subject rename": (
        "subject rename SUB001 P001 -P NEURO",
        "subject rename --mapping labels.csv -P NEURO --dry-run",
        "subject rename --pattern '(SUB[0-9]+)_old' --to '{1}' --merge -P NEURO --dry-run",
    ),
    "subject share": ("subject share SUB001 -P NEURO --into POOL",),
    "subject unshare": ("subject unshare SUB001 -P NEURO --from POOL",),
    "subject vars": ("subject vars SUB001 -P NEURO", "subject vars SUB001 age_grp=A -P NEURO"),
    "session create": ("session create -P NEURO -S SUB001 -E S1_MR --modality MR --date 2026-03-02",),
    "session set": ("session set -P NEURO -E S1_MR note='moved a lot'",),
    "session delete": ("session delete -P NEURO -E S1_MR --dry-run",),
    "session share": ("session share -P NEURO -E S1_MR --into POOL",),
    "session unshare": ("session unshare -P NEURO -E S1_MR --from POOL",),
    "session vars": ("session vars -P NEURO -E S1_MR", "session vars -P NEURO -E S1_MR rater=A"),
    "scan show": ("scan show 4 -E XNAT_E00001",),
    "scan delete": ("scan delete -E XNAT_E00001 -s 1,2 --dry-run", "scan delete -E XNAT_E00001 -s '*' --yes"),
    "scan quality": ("scan quality -E XNAT_E00001 -s 4 questionable",),
    "scan note": ("scan note -E XNAT_E00001 -s 4 'moved a lot'",),
}
