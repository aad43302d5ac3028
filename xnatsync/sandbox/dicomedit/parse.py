"""Reading a script: words become statements; what is not understood is a ScriptError with its line."""

from __future__ import annotations

import functools
from typing import Final

from xnatsync.sandbox.dicomedit.functions import FUNCTIONS
from xnatsync.sandbox.dicomedit.syntax import (
    ANY_ITEM,
    Assign,
    Branch,
    Call,
    Compared,
    Level,
    Listed,
    Name,
    Path,
    Remove,
    Run,
    Script,
    ScriptError,
    Statement,
    Step,
    Text,
    Value,
)
from xnatsync.sandbox.dicomedit.words import TAG, Word, unquoted, words

_OPERATORS: Final = {"=", "==", "!=", "~", "!~"}
_LEVELS: Final = {"*", "+", ".", "?"}
_DEEPEST: Final = 64


@functools.lru_cache(maxsize=128)
def parsed(script: str) -> Script:
    """Read a script; without a version of 6 or later it is in the legacy language."""
    return _Reader(words(script)).script()


@functools.lru_cache(maxsize=1024)
def path_of(text: str) -> Path:
    """Read a tag path that a function got as a text."""
    reader = _Reader(words(text))
    path = reader.path()
    reader.expect("end")
    return path


class _Reader:
    def __init__(self, found: list[Word]) -> None:
        self._words = found
        self._at = 0
        self._depth = 0
        self._legacy = True

    # -- words -----------------------------------------------------------------------------------------------------

    def _is(self, *texts: str, ahead: int = 0) -> bool:
        word = self._words[min(self._at + ahead, len(self._words) - 1)]
        return word.kind in {"sign", "name"} and word.text in texts

    def _kind(self, *kinds: str) -> bool:
        return self._words[self._at].kind in kinds

    def _next(self) -> Word:
        word = self._words[self._at]
        self._at = min(self._at + 1, len(self._words) - 1)
        return word

    def expect(self, wanted: str) -> Word:
        """Take a word of a kind or spelling."""
        if self._kind(wanted) or self._is(wanted):
            return self._next()
        raise self._refusal(f"expected {wanted!r}")

    def _refusal(self, why: str) -> ScriptError:
        word = self._words[self._at]
        return ScriptError(f"cannot understand {word.text!r} in line {word.line}: {why}")

    def _lines(self) -> None:
        while self._kind("line"):
            self._next()

    # -- statements --------------------------------------------------------------------------------------------------

    def script(self) -> Script:
        """Read all of it."""
        statements: list[Statement] = []
        self._lines()
        while not self._kind("end"):
            if self._is("version"):
                self._next()
                self._legacy = unquoted(self.expect("text").text).partition(".")[0] not in {"6", "7"}
            else:
                statements += self._statement()
            if not self._kind("end"):
                self.expect("line")
            self._lines()
        return Script(tuple(statements), self._legacy)

    def _statement(self) -> list[Statement]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refusal("blocks are nested too deeply")
        try:
            return self._one_statement()
        finally:
            self._depth -= 1

    def _one_statement(self) -> list[Statement]:
        if self._is("if"):
            return [self._branch()]
        if self._is("describe", "export"):  # for people and forms only
            while not self._kind("line", "end"):
                self._next()
            return []
        if self._is("-"):
            return [self._action(None)]
        first = self._value()
        if self._is(*_OPERATORS):
            return [self._conditional(Compared(first, self._next().text, self._value()))]
        if isinstance(first, Call) and self._is("?", ":"):
            return [self._conditional(Compared(first))]
        return [self._action(first)]

    def _conditional(self, condition: Compared) -> Branch:
        self.expect(":" if self._legacy else "?")
        self._lines()
        cases: list[tuple[Compared | None, tuple[Statement, ...]]] = [(condition, (self._action(None),))]
        if not self._legacy and self._is(":"):
            self._next()
            cases.append((None, (self._action(None),)))
        return Branch(tuple(cases))

    def _action(self, first: Value | None) -> Statement:
        if first is None and self._is("-"):
            self._next()
            return Remove(self.path())
        target = self._value() if first is None else first
        if self._is(":=", "?="):
            existing = self._next().text == "?="
            if not isinstance(target, Path | Name) or (existing and isinstance(target, Name)):
                raise self._refusal("only an element or a variable can be assigned")
            return Assign(target, self._value(), existing)
        if isinstance(target, Call):
            return Run(target)
        raise self._refusal("this is no statement")

    def _branch(self) -> Branch:
        cases: list[tuple[Compared | None, tuple[Statement, ...]]] = []
        self.expect("if")
        cases.append((self._condition(), self._block()))
        while True:
            mark = self._at
            self._lines()
            if self._is("elseif"):
                self._next()
                cases.append((self._condition(), self._block()))
            elif self._is("else"):
                self._next()
                cases.append((None, self._block()))
                return Branch(tuple(cases))
            else:
                self._at = mark
                return Branch(tuple(cases))

    def _condition(self) -> Compared:
        self.expect("(")
        left = self._value()
        condition = Compared(left, self._next().text, self._value()) if self._is(*_OPERATORS) else Compared(left)
        self.expect(")")
        return condition

    def _block(self) -> tuple[Statement, ...]:
        self._lines()
        self.expect("{")
        self._lines()
        statements: list[Statement] = []
        while not self._is("}"):
            statements += self._statement()
            if not self._is("}"):
                self.expect("line")
            self._lines()
        self._next()
        return tuple(statements)

    # -- values ------------------------------------------------------------------------------------------------------

    def _value(self) -> Value:
        if self._kind("text"):
            return Text(unquoted(self._next().text))
        if self._kind("number"):
            return Text(self._next().text)
        if self._kind("tag") or self._is(*_LEVELS):
            return self.path()
        if self._is("{"):
            self._next()
            return Listed(self._values("}"))
        if self._kind("name"):
            return self._named()
        raise self._refusal("expected a value")

    def _named(self) -> Value:
        name = self._next().text
        if name == "new" and self._is("UID"):  # the legacy spelling
            self._next()
            return Call("newuid")
        known = name.lower()
        if self._is("["):
            self._next()
            arguments = self._values("]")
            if known not in FUNCTIONS:
                raise self._refusal(f"there is no function {name!r}")
            return Call(known, arguments)
        return Call(known) if known in {"removeallprivatetags", "reject"} else Name(name)

    def _values(self, end: str) -> tuple[Value, ...]:
        found: list[Value] = []
        self._lines()
        while not self._is(end):
            found.append(self._value())
            self._lines()
            if self._is(","):
                self._next()
                self._lines()
            elif not self._is(end):
                raise self._refusal(f"expected ',' or {end!r}")
        self._next()
        return tuple(found)

    def path(self) -> Path:
        """Read a tag path."""
        steps: list[Level | Step] = []
        while True:
            if self._is(*_LEVELS):
                steps.append(Level(self._next().text))
            else:
                steps.append(self._step())
            if not self._is("/"):
                break
            self._next()
        if isinstance(steps[-1], Level):
            raise self._refusal("a path ends with an element")
        return Path(tuple(steps))

    def _step(self) -> Step:
        word = self.expect("tag")
        match = TAG.fullmatch(word.text)
        assert match is not None
        item = None
        if self._is("["):
            self._next()
            item = ANY_ITEM if self._is("%") else int(self._words[self._at].text) if self._kind("number") else None
            if item is None:
                raise self._refusal("expected the number of an item")
            self._next()
            self.expect("]")
        element = match["private"] or match["element"]
        return Step(match["group"].upper(), element.upper(), match["creator"], item)
