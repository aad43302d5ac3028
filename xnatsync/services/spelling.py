"""Both spellings of the founding document: `get(subject_id=…)` of its signatures, `get(subject=…)` of its examples.

The signature stays the documented one, for people, editors and type checkers; the other names are taken at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


def also(**other_names: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Let a method take further names of parameters: `also(session="session_id")`; TypeError when both are given."""

    def spelled(method: Callable[Given, Result]) -> Callable[Given, Result]:
        @wraps(method)
        def called(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            for other in other_names.keys() & kwargs.keys():
                name = other_names[other]
                if name in kwargs:
                    raise TypeError(f"{method.__name__}() got both {name!r} and its other name {other!r}")
                kwargs[name] = kwargs.pop(other)
            return method(*args, **kwargs)

        return called

    return spelled
