"""A configuration that is wrong in any way is told as that, with its lines; it never breaks the program."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from fuzz import seeds, targets
from hostile.oracle import Caught, judged
from hostile.wicked import NAMES
from xnatsync.config.load import TEXT_MAX, check
from xnatsync.config.problems import SHOWN_MAX, ConfigInvalid
from xnatsync.config.secrets import credentials
from xnatsync.core.errors import ConfigError, CredentialsMissing

QUICK = examples(150)
KEYS = st.sampled_from(
    ["url", "user", "timeout", "folder", "server", "project", "subject", "session", "settle", "ignore", "rules", "when"]
)
VALUES = st.one_of(
    NAMES.map(lambda text: f'"{text.encode("unicode_escape").decode()}"'.replace("\\x", "\\u00")),
    st.integers().map(str),
    st.sampled_from(
        ["true", "nan", "-inf", "1e400", "[]", "[[]]", "{}", "{ a = {} }", "2026-02-30", "''", '"""', "[1,"]
    ),
    st.text(max_size=20),
)


@QUICK
@given(
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=6),
    st.integers(0, 999),
)
def test_a_file_with_any_bytes_changed_ends_well(changes: list[tuple[int, int]], length: int) -> None:
    """Accepted, or with every problem and its line."""
    changed = bytearray(seeds.CONFIG)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    targets.configuration(bytes(changed[: length % len(changed) or None]))


@QUICK
@given(st.lists(st.tuples(KEYS, VALUES), max_size=4), st.sampled_from(["servers.prod", "routes.r", "ledger", "x"]))
def test_any_value_of_any_key_ends_well(pairs: list[tuple[str, str]], table: str) -> None:
    """Types, names and sizes that nobody meant."""
    lines = "".join(f"{key} = {value}\n" for key, value in dict(pairs).items())
    text = seeds.CONFIG.decode()
    for key, _ in pairs:
        text = "\n".join(line for line in text.split("\n") if not line.startswith(f"{key} ="))
    text = text.replace(f"[{table}]\n", f"[{table}]\n{lines}")
    targets.configuration(text.encode("utf-8", "replace"))


@QUICK
@given(st.one_of(st.text(max_size=30), st.from_regex(r"([0-9.]+\s*[a-zµ]+){1,4}", fullmatch=True)))
def test_any_duration_ends_well(text: str) -> None:
    """A number of seconds, or a word about what durations look like."""
    targets.words(text.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    "text",
    ["a=" + "[" * 100_000, "a=" + "{a=" * 50_000, "a=" + "9" * 5000, "a." * 20_000 + "a=1", "[" + "a." * 20_000 + "a]"],
    ids=["lists", "tables", "digits", "dots", "table of dots"],
)
def test_what_is_too_deep_or_too_long_is_no_configuration(tmp_path: Path, text: str) -> None:
    """At once, and in a sentence."""
    path = tmp_path / "xnatsync.toml"
    path.write_text(text)
    ended = judged(lambda: check(path), naming=str(path), seconds=3)
    assert isinstance(ended, ConfigError)


def test_a_file_of_another_kind_is_not_read_as_one(tmp_path: Path) -> None:
    """A disk image that somebody named by mistake."""
    path = tmp_path / "xnatsync.toml"
    path.write_text("#" * (TEXT_MAX + 1))
    assert isinstance(judged(lambda: check(path), naming=str(path)), ConfigError)


def test_thousands_of_problems_are_told_in_fifty_lines(tmp_path: Path) -> None:
    """All of them are found, and in a second."""
    path = tmp_path / "xnatsync.toml"
    path.write_bytes(seeds.CONFIG + b"".join(b"k%d = 1\n" % number for number in range(5000)))
    ended = judged(lambda: check(path), seconds=8, characters=20_000)
    assert isinstance(ended, ConfigInvalid)
    assert len(ended.problems) == 5000
    assert str(ended).count("\n") == SHOWN_MAX + 1
    assert str(ended).endswith("and 4950 more")
    assert ended.problems[-1].line == seeds.CONFIG.count(b"\n") + 5000


@examples(60)
@given(st.binary(max_size=80))
def test_any_password_file_ends_well(content: bytes) -> None:
    """Read as one line of text, or refused without a word of what is in it."""
    path = targets.scratch() / "password"
    path.write_bytes(content)
    path.chmod(0o600)
    config = targets.scratch() / "secret.toml"
    config.write_text(f'[servers.s]\nurl = "https://x.example"\nuser = "u"\npassword_file = "{path}"\n')
    server = check(config)[0].servers["s"]
    text = content.decode("utf-8", "replace").strip()
    secrets = (text,) if len(text) > 8 else ()
    ended = judged(lambda: credentials("s", server), naming=str(path), secrets=secrets)
    if not isinstance(ended, CredentialsMissing):
        assert not isinstance(ended, Exception)
        assert ended.password.isprintable()


def test_toml_alone_would_be_caught(tmp_path: Path) -> None:
    """The library ends in exceptions of Python's."""
    for text in ("a=" + "[" * 100_000, "a=" + "9" * 5000, "a="):
        with pytest.raises(Caught, match="bare"):
            judged(lambda text=text: tomllib.loads(text))
