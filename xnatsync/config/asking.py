"""Who is asked for a user or a password: the person at the terminal, where one is; set by the command line alone."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asking:
    """Two questions; an empty answer is none."""

    user: Callable[[str], str]  # at an address
    password: Callable[[str, str], str]  # at an address, of a user


PERSON: ContextVar[Asking | None] = ContextVar("PERSON", default=None)
