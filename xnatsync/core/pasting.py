"""Command lines that a person can paste into a shell, as they are printed.

In a text a command of ours stands between backticks.  It is written there without the options that depend on how the
program was called: they are added where the text is printed, because the text may be older (an advice in the ledger).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROGRAM = "xnatsync"
_SPAN = re.compile(rf"`{PROGRAM} (?P<words>[^`]*)`")
_ALONE = frozenset({"help", "demo", "sandbox"})  # these read no configuration
_GROUPS = frozenset({"project", "subject", "session", "scan", "resource", "auth", "health", "api", "service"})
_ASKING = _GROUPS | {"whoami", "audit"}  # these take a profile
# What of a document is written by us for people; everything else in it is data, and stays to the letter.
_TEXTS = frozenset({"advice", "message", "detail", "next", "notes", "text", "waits", "why", "problem"})


def command_line(*words: str) -> str:
    """Return a command of ours as a shell reads it: every word is quoted that a shell would change."""
    return " ".join(_quoted(word) for word in (PROGRAM, *words))


def operand(name: str) -> tuple[str, ...]:
    """Return a name that was given by others as the last words of a command: it is never read as an option."""
    return ("--", name) if name.startswith("-") else (name,)


@dataclass(frozen=True, slots=True)
class Step:
    """What a person can do next: in words, and with a command."""

    text: str
    before: str = ""  # what stands before the command
    command: tuple[str, ...] = ()  # its words after the program's name; none: the text says all

    @property
    def sentence(self) -> str:
        """The whole of it as a text."""
        told = f"{self.before} `{command_line(*self.command)}`" if self.command else ""
        return f"{self.text} {told}".strip()


@dataclass(frozen=True, slots=True)
class Calling:
    """How the program was called: what a printed command needs in order to mean the same when it is pasted."""

    config: str = ""  # "" where the configuration lies in its usual place
    profile: str = ""  # "" where none was named

    def line(self, words: Sequence[str]) -> str:
        """Return a command to be printed."""
        return command_line(*self._words(words))

    def in_text(self, text: str) -> str:
        """Return a text with the commands in it as they are to be pasted."""
        if not (self.config or self.profile) or f"`{PROGRAM} " not in text:
            return text
        return _SPAN.sub(lambda found: f"`{self._more(found['words'])}`", text)

    def in_fields(self, value: object, key: str = "") -> object:
        """Return a part of a document with its commands as they are to be pasted."""
        if isinstance(value, Mapping):
            return {name: self.in_fields(part, name) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.in_fields(part, key) for part in value]
        if isinstance(value, str) and key == "command" and value.startswith(f"{PROGRAM} "):
            return self._more(value.removeprefix(f"{PROGRAM} "))
        return self.in_text(value) if isinstance(value, str) and key in _TEXTS else value

    def _words(self, words: Sequence[str]) -> list[str]:
        own = 2 if words[:1] and words[0] in _GROUPS else 1
        asked = self.profile and words and words[0] in _ASKING
        return [*self._named(words), *words[:own], *(("-p", self.profile) if asked else ()), *words[own:]]

    def _more(self, line: str) -> str:
        """Return a written command with the options; its own words stay as they are written."""
        words = line.split(" ")
        if words[0].startswith("-") or words[-1] in {"--help", "-h"}:
            return f"{PROGRAM} {line}"
        own = 2 if words[0] in _GROUPS else 1
        asked = self.profile and words[0] in _ASKING
        before = command_line(*self._named(words), *words[:own], *(("-p", self.profile) if asked else ()))
        return " ".join([before, *words[own:]])

    def _named(self, words: Sequence[str]) -> tuple[str, ...]:
        return ("--config", self.config) if self.config and not (words and words[0] in _ALONE) else ()


def _quoted(word: str) -> str:
    """Return a word as bash, zsh and ksh read it; what would not be seen when it is printed is spelled out."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(_spelled(char) for char in word)}'"


def _spelled(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
