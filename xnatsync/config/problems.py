"""What is wrong with a configuration, in words and with its line.  No value is repeated that could be a secret."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from xnatsync.config.lines import Key, find_line
from xnatsync.core.errors import ConfigError

Where = str | Callable[[Sequence[str | int]], int]  # a text of TOML, or what finds the line of a key in another

SHOWN_MAX = 50  # problems in one message
_WORD_MAX, _WORDS_MAX = 100, 400  # characters of a key, of an explanation: a longer one repeats a slip
_SECRETS = frozenset({"password", "passwd", "pass", "pwd", "secret", "token", "alias_secret", "credentials"})
_ELSEWHERE = (
    "a password must not stand in this file: use XNATSYNC_<SERVER>_PASSWORD, a `password_file` (mode 0600) or the "
    "keyring"
)
_ADDRESS = (
    "the address of a target holds secrets and must not be in this file: use `url_file` (mode 0600), "
    "XNATSYNC_NOTIFY_<NAME>_URL or the keyring"
)
_WANTED = {
    "string_type": "must be a text, in quotes",
    "int_type": "must be a whole number, without quotes",
    "tuple_type": "must be a list: [ ... ]",
    "dict_type": "must be a table: { key = value }",
    "model_type": "must be a table of keys",
    "path_type": "must be a path, in quotes",
    "bool_type": "must be true or false, without quotes",
    "bool_parsing": "must be true or false, without quotes",
    "missing": "this key is required",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or (`warning`) that is allowed and unwise."""

    line: int
    key: str
    text: str
    warning: bool = False


class ConfigInvalid(ConfigError):
    """The configuration file has problems; `problems` lists them all."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        lines = [f"{path}:{problem.line}: {problem.key}: {problem.text}" for problem in problems[:SHOWN_MAX]]
        lines += [f"and {len(problems) - SHOWN_MAX} more"] * (len(problems) > SHOWN_MAX)
        first = f"the configuration has {len(problems)} problem{'s' * (len(problems) != 1)}:"
        super().__init__("\n".join([first, *lines]))
        self.lines = (first, *lines)
        self.path = path
        self.problems = tuple(problems)


def problem_at(text: Where, key: Sequence[str | int], words: str, *, warning: bool = False) -> Problem:
    """Make a problem of a key, with the line where it stands, or where it would have to stand."""
    line = find_line(text, key) if isinstance(text, str) else text(key)
    return Problem(line, named(key), _short(words, _WORDS_MAX), warning=warning)


def named(key: Sequence[str | int]) -> str:
    """Write a key as people do: `routes.scanner.rules[2].when`; positions count from 1."""
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{_short(part, _WORD_MAX)}" for part in key]
    return "".join(parts).removeprefix(".") or "the file"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"


def suggestion(word: str, known: Sequence[str]) -> str:
    """Say what was probably meant, else what there is."""
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"


def problems_of(text: Where, above: Key, model: type[BaseModel], error: ValidationError) -> Iterator[Problem]:
    """Say every error of a part in our words."""
    for found in error.errors(include_url=False, include_input=False):
        key = (*above, *(part for part in found["loc"] if part != "[key]"))
        if found["type"] == "quarrels":
            for name, words in found["ctx"]["quarrels"]:
                parts = [int(part) if part.isdigit() else part for part in name.split(".")]
                yield problem_at(text, (*key, *parts), words)
        else:
            yield problem_at(text, key, _words(key, above, model, found))


def unknown(word: str, known: Sequence[str]) -> str:
    """Say that there is no such key."""
    if word.lower() in _SECRETS:
        return _ELSEWHERE
    if word.lower() in {"url", "urls", "address"} and "url_file" in known:
        return _ADDRESS
    return f"there is no such key{suggestion(word, known)}"


def _words(key: Key, above: Key, model: type[BaseModel], error: Mapping[str, Any]) -> str:
    kind, facts = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown(str(key[-1]), list(_model_at(model, key[len(above) : -1]).model_fields))
    if kind == "literal_error":
        return "must be " + str(facts["expected"]).replace("'", '"')
    if kind == "value_error":
        return str(facts["error"])
    if kind == "greater_than_equal":
        return f"at least {facts['ge']}"
    if kind == "less_than_equal":
        return f"at most {facts['le']}"
    return _WANTED.get(kind) or str(error["msg"])


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """Find the model of a table inside a part: tables, and lists of tables."""
    for name in (part for part in path if isinstance(part, str)):
        if name not in model.model_fields:  # the key of a table of tables
            continue
        annotation = model.model_fields[name].annotation
        for inner in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    return model
