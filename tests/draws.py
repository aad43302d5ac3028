"""What is drawn by chance in the tests, and when it is the same: hypothesis' examples and the order of the tests.

A run that decides whether a change lands must say the same thing twice, so by default (`landing`) every draw follows
from the test's own source and the order from a fixed seed: a red run is red for everybody, and a green one is not luck.
What nobody thought of is looked for outside of it, with `HYPOTHESIS_PROFILE=explore`: other draws each time, twenty
times as many, in another order.  What it finds is kept in `.hypothesis/` until it is mended and is an `@example`.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

PROFILES: dict[str, dict[str, Any]] = {
    "landing": {"derandomize": True, "database": None},
    "explore": {"derandomize": False},
}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "landing")
EXPLORING = PROFILE == "explore"
TIMES = 20 if EXPLORING else 1
ORDER = 20260301  # the seed of the order; any number will do, as long as it stays


def begin() -> None:
    """Chooses the profile, before any test is imported; KeyError for one that there is not."""
    for name, more in PROFILES.items():  # no deadline: a busy machine is no failure
        settings.register_profile(name, max_examples=100 * TIMES, deadline=None, print_blob=True, **more)
    if PROFILE not in PROFILES:
        raise KeyError(f"HYPOTHESIS_PROFILE={PROFILE}: there are {', '.join(PROFILES)}")
    settings.load_profile(PROFILE)


def examples(count: int, **more: Any) -> settings:
    """Settings for so many examples in a landing run, and more when exploring."""
    return settings(max_examples=count * TIMES, **more)
