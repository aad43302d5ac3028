"""Running a script, statement by statement, on an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from xnatsync.sandbox.dicomedit.functions import WHOLE_FUNCTIONS
from xnatsync.sandbox.dicomedit.syntax import (
    Assign,
    Branch,
    Call,
    Compared,
    Listed,
    Name,
    Path,
    RejectedError,
    Remove,
    Run,
    Script,
    ScriptError,
    Statement,
    Text,
    Value,
)
from xnatsync.sandbox.dicomedit.text_functions import TEXT_FUNCTIONS, regex

Bound = str | list[str] | Listed | None


class Target(Protocol):
    """The object that a script runs on."""

    def text(self, path: Path) -> str | None:
        """Return the text of an element; None when it is absent."""
        ...

    def assign(self, path: Path, text: str, *, existing: bool) -> None:
        """Give elements a value."""
        ...

    def remove(self, path: Path) -> None:
        """Remove elements."""
        ...

    def call(self, name: str, arguments: Sequence[Path | str]) -> list[str]:
        """Run a function that needs the whole object."""
        ...


def run(script: Script, target: Target, names: Mapping[str, str]) -> None:
    """Run a script; raises RejectedError when it refuses the object, ScriptError for what cannot be done."""
    if script.legacy:
        _Legacy(target, names).run(script.statements)
    else:
        _Run(target, names).run(script.statements)


class _Run:
    def __init__(self, target: Target, names: Mapping[str, str]) -> None:
        self._target = target
        self._bound: dict[str, Bound] = dict(names)

    def run(self, statements: Sequence[Statement]) -> None:
        """Run a script's statements."""
        self._run(statements)

    def _run(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            match statement:
                case Assign():
                    self._assign(statement)
                case Remove(path=path):
                    self._target.remove(path)
                case Run(call=call):
                    self._call(call)
                case Branch(cases=cases):
                    taken = next((then for condition, then in cases if condition is None or self._holds(condition)), ())
                    self._run(taken)

    def _assign(self, statement: Assign) -> None:
        if isinstance(statement.target, Name):
            self._bound[statement.target.value] = self._variable(statement.value)
            return
        self._target.assign(statement.target, self._text(statement.value) or "", existing=statement.existing)

    def _variable(self, value: Value) -> Bound:
        if isinstance(value, Listed):
            return value
        if isinstance(value, Name):
            return self._of(value)
        if isinstance(value, Call) and value.name == "collectvalues":
            return self._call(value)
        return self._text(value)

    def _of(self, name: Name) -> Bound:
        if name.value not in self._bound:
            raise ScriptError(f"nothing is assigned to {name.value}")
        return self._bound[name.value]

    # -- values ------------------------------------------------------------------------------------------------------

    def _text(self, value: Value) -> str | None:
        match value:
            case Text(value=text):
                return text
            case Path():
                return self._target.text(value)
            case Name():
                bound = self._of(value)
                if isinstance(bound, Listed | list):
                    raise ScriptError(f"{value.value} is a list")
                return bound
            case Call():
                return "\\".join(self._call(value))
            case Listed():
                raise ScriptError("a list is no text")

    def _call(self, call: Call) -> list[str]:
        if call.name == "reject":
            raise RejectedError
        if call.name in WHOLE_FUNCTIONS:
            return self._target.call(call.name, [one for value in call.arguments for one in self._flat(value)])
        function, fewest, most = TEXT_FUNCTIONS[call.name]
        if not fewest <= len(call.arguments) <= most:
            raise ScriptError(f"{call.name} does not take {len(call.arguments)} arguments")
        return [function([self._text(value) or "" for value in call.arguments])]

    def _flat(self, value: Value) -> list[Path | str]:
        match value:
            case Path():
                return [value]
            case Text(value=text):
                return [text]
            case Listed(items=items):
                return [one for item in items for one in self._flat(item)]
            case Name():
                bound = self._of(value)
                if isinstance(bound, Listed):
                    return self._flat(bound)
                return list(bound) if isinstance(bound, list) else [] if bound is None else [bound]
            case Call():
                return list(self._call(value))

    # -- conditions --------------------------------------------------------------------------------------------------

    def _holds(self, condition: Compared) -> bool:
        left = self._text(condition.left)
        if not condition.operator:
            return left == "true"
        right = self._text(condition.right)
        if condition.operator in {"=", "=="}:
            return left is not None and left == right
        if condition.operator == "!=":
            return left is None or left != right
        matches = left is not None and regex(right or "").fullmatch(left) is not None
        return matches is (condition.operator == "~")


class _Legacy(_Run):
    """Language 4: everything is read from the object as it came; the first statement on a tag counts."""

    def run(self, statements: Sequence[Statement]) -> None:
        """Run all statements, then change the object."""
        original = self._target
        self._target = first = _FirstCounts(original)
        self._run(statements)
        first.carry_out()

    def _of(self, name: Name) -> Bound:
        return self._bound.get(name.value)


class _FirstCounts:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._todo: dict[Path, str | None] = {}

    def text(self, path: Path) -> str | None:
        """Return what the object holds before anything is changed."""
        return self._target.text(path)

    def assign(self, path: Path, text: str, *, existing: bool) -> None:
        """Note an assignment unless something is noted for the path."""
        self._todo.setdefault(path, text)

    def remove(self, path: Path) -> None:
        """Note a removal unless something is noted for the path."""
        self._todo.setdefault(path, None)

    def call(self, name: str, arguments: Sequence[Path | str]) -> list[str]:
        """Run a function."""
        return self._target.call(name, arguments)

    def carry_out(self) -> None:
        """Change the object."""
        for path, text in self._todo.items():
            if text is None:
                self._target.remove(path)
            else:
                self._target.assign(path, text, existing=False)
