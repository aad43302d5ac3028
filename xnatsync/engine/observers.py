"""Who watches a run must not be able to stop it: the one seam between the engine and whatever hears of its progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

Given = ParamSpec("Given")


def tell(observer: Callable[Given, object], *args: Given.args, **kwargs: Given.kwargs) -> bool:
    """Tell an observer something; False when it failed, which concerns nobody else."""
    try:
        observer(*args, **kwargs)
    except Exception:  # a pipe that nobody reads, a full disk, a mistake in a drawing: the work goes on
        return False
    return True
