"""Which functions there are, and which of them need the whole object."""

from __future__ import annotations

from typing import Final

from xnatsync.sandbox.dicomedit.text_functions import TEXT_FUNCTIONS

WHOLE_FUNCTIONS: Final = frozenset(
    {
        *("alterpixels", "blankvalues", "collectvalues", "delete", "hashuidlist", "ispresent", "mapreferenceduids"),
        *("removeallprivatetags", "removetags", "retainprivatetags", "scalepatientageanddobfromstudydate", "set"),
        "shiftdatetimesequencebyincrement",
    }
)
FUNCTIONS: Final = frozenset({*TEXT_FUNCTIONS, *WHOLE_FUNCTIONS, "reject"})
