"""Changes a table of the configuration file and leaves everything else as the person wrote it."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from xnatsync.config.lines import key_lines, value_places
from xnatsync.config.load import ConfigInvalid, check
from xnatsync.core.encoding import SAVE_AS_UTF8, not_utf8
from xnatsync.core.errors import ConfigError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_BOM = "\ufeff"  # which some editors write first
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def set_server(path: Path, name: str, values: Mapping[str, str]) -> bool:
    """Write `values` into `[servers.NAME]`, which is added when it is not there; True when it was added.

    The file is replaced as a whole, and only by one that can be loaded: ConfigError otherwise, and nothing is changed.
    Nothing else in it changes: comments, keys, line ends; and nothing that somebody writes into it meanwhile is lost.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be the name of a server", advice="Make it of A-Z a-z 0-9 _ -.")
    was_new = []

    def change(text: str) -> str:
        was_new.append(name not in _tables(path, text))
        table = ("servers", name)
        return _added(text, table, values) if was_new[-1] else _changed(path, text, table, values)

    _edit(path, change)
    return was_new[-1]


def set_default(path: Path, key: str, value: str) -> None:
    """Write a key of `[defaults]`; ConfigError where that would not be a configuration, and nothing is changed."""

    def change(text: str) -> str:
        table, values = ("defaults",), {key: value}
        is_new = table not in key_lines(_as_toml(path, text))
        return _added(text, table, values) if is_new else _changed(path, text, table, values)

    _edit(path, change)


def remove_server(path: Path, name: str) -> None:
    """Take `[servers.NAME]` out of the file, and the default where it names this server.

    Comments behind its keys go with it, and everything else stays.  ConfigError where a route needs it.
    """

    def change(text: str) -> str:
        wanted = tomllib.loads(text)
        del wanted["servers"][name]
        new = _without_table(text, ("servers", name))
        if wanted.get("defaults", {}).get("server") == name:
            del wanted["defaults"]["server"]
            new = _without_line(new, ("defaults", "server"))
        if not _is_same(new, wanted):
            raise ConfigError(
                f"{path}: server {name} is not written as one table of its own", advice="Remove it by hand."
            )
        return new

    _edit(path, change)


def _edit(path: Path, change: Callable[[str], str]) -> None:
    """Replace the text of a configuration by what becomes of it."""
    place = path.resolve()  # a link stays one: what it leads to is the configuration
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(place.parent):
            whole, seen = _read(place)
            text = whole.removeprefix(_BOM)
            new = change(text)
            _replace(path, place, whole, whole[: len(whole) - len(text)] + new, seen)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or type(error).__name__}") from error


def _as_toml(path: Path, text: str) -> str:
    """Return a text that is TOML; ConfigError for any other."""
    _tables(path, text)
    return text


def _without_table(text: str, table: tuple[str, str]) -> str:
    """Return a text without a table: its head, and all up to its last value."""
    at = key_lines(text)[table]
    begins = sum(len(one) + 1 for one in text.split("\n")[: at - 1])
    ends = [place[1] for key, place in value_places(text).items() if key[:2] == table]
    left, right = text[:begins], text[_end_of_line(text, max([begins, *ends])) :]
    return left.rstrip() + _line_end(text) if left.strip() and not right.strip() else left + right


def _without_line(text: str, key: tuple[str, str]) -> str:
    """Return a text without the line of a value."""
    place = value_places(text)[key]
    return text[: text.rfind("\n", 0, place[0]) + 1] + text[_end_of_line(text, place[1]) :]


def _is_same(text: str, wanted: Mapping[str, object]) -> bool:
    """Return whether a text says exactly this; a table without keys is none."""
    try:
        found = tomllib.loads(text)
    except ValueError:
        return False
    return {key: value for key, value in found.items() if value} == {k: v for k, v in wanted.items() if v}


def _end_of_line(text: str, at: int) -> int:
    """Return where the next line begins."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other of our commands changes a file in a folder."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network disks know no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(place: Path) -> tuple[str, os.stat_result | None]:
    """Return the text with its line ends, and whose the file is; None when there is none yet."""
    try:
        with place.open(encoding="utf-8", newline="") as file:
            return file.read(), os.fstat(file.fileno())
    except FileNotFoundError:
        return "", None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place}: {not_utf8(place.read_bytes())}", advice=SAVE_AS_UTF8) from error


def _tables(path: Path, text: str) -> Mapping[str, object]:
    try:
        found = tomllib.loads(text).get("servers", {})
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return found if isinstance(found, dict) else {}


def _added(text: str, table: tuple[str, ...], values: Mapping[str, str]) -> str:
    end = _line_end(text)
    before = f"{text.rstrip()}{end}{end}" if text.strip() else ""
    return f"{before}[{'.'.join(table)}]{end}" + "".join(f"{_pair(key, value)}{end}" for key, value in values.items())


def _changed(path: Path, text: str, table: tuple[str, ...], values: Mapping[str, str]) -> str:
    """Put each value where the old one stands, or below the table's head, and leave every other character alone."""
    line, name = key_lines(text)[table], ".".join(table)
    header = text.split("\n")[line - 1]
    if not header.lstrip().startswith("["):
        raise ConfigError(
            f"{path}:{line}: {name} is not written as a table of its own",
            advice=f"Change it by hand, or write it as [{name}].",
        )
    places = value_places(text)
    below = sum(len(one) + 1 for one in text.split("\n")[:line])
    end = _line_end(text)
    new = [_pair(key, value) + end for key, value in values.items() if (*table, key) not in places]
    if new and below > len(text):  # the head is the last line, without an end
        new.insert(0, end)
    changes = [(below, below, "".join(new))]
    changes += [(*places[(*table, key)], _quoted(value)) for key, value in values.items() if (*table, key) in places]
    for begins, ends, put in sorted(changes, reverse=True):
        text = text[:begins] + put + text[ends:]
    return text


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _pair(key: str, value: str) -> str:
    return f"{key} = {_quoted(value)}"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _replace(path: Path, place: Path, text: str, new: str, seen: os.stat_result | None) -> None:
    """Give the new text the file's name, mode and owner, if the file still is what was read."""
    draft = place.with_name(f".{place.name}.{os.getpid()}.new")
    mode = seen.st_mode & 0o777 if seen is not None else 0o600
    with suppress(FileNotFoundError):
        draft.unlink()  # of a process that had our number, and was killed
    try:
        with os.fdopen(os.open(draft, _NEW, mode), "w", encoding="utf-8", newline="") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        check(draft)
        if os.name != "nt" and seen is not None and draft.stat().st_uid != seen.st_uid:
            os.chown(draft, seen.st_uid, seen.st_gid)  # changed by root, it stays its user's
        os.chmod(draft, mode)  # noqa: PTH101 whatever the umask
        if seen is None:
            _name_exclusively(draft, place)
        elif _read(place)[0] != text:
            raise ConfigError(f"{path} was changed meanwhile, and nothing else was", advice="Run it again.")
        else:
            draft.replace(place)
        _sync_folder(place.parent)
    except ConfigInvalid as error:
        found = "; ".join(f"{problem.key}: {problem.text}" for problem in error.problems)
        raise ConfigError(f"{path} would be wrong, and was not changed: {found}") from error
    finally:
        draft.unlink(missing_ok=True)


def _name_exclusively(draft: Path, place: Path) -> None:
    """Give a new file its name; FileExistsError when somebody else made one of that name meanwhile."""
    if os.name == "nt":
        draft.rename(place)
    else:
        os.link(draft, place)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
