"""Changes a server's table in the configuration file and leaves everything else as the person wrote it."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from xnatsync.config.lines import key_lines
from xnatsync.config.load import ConfigInvalid, check
from xnatsync.core.errors import ConfigError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def set_server(path: Path, name: str, values: Mapping[str, str]) -> bool:
    """Writes `values` into `[servers.NAME]`, which is added when it is not there; True when it was added.

    The file is replaced as a whole, and only by one that can be loaded: ConfigError otherwise, and nothing is changed.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be the name of a server", advice="Make it of A-Z a-z 0-9 _ -.")
    text, mode = _read(path)
    is_new = name not in _tables(path, text)
    _replace(path, _added(text, name, values) if is_new else _changed(path, text, name, values), mode)
    return is_new


def _read(path: Path) -> tuple[str, int]:
    try:
        return path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777
    except FileNotFoundError:
        return "", 0o600
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}") from error


def _tables(path: Path, text: str) -> Mapping[str, object]:
    try:
        found = tomllib.loads(text).get("servers", {})
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return found if isinstance(found, dict) else {}


def _added(text: str, name: str, values: Mapping[str, str]) -> str:
    before = f"{text.rstrip()}\n\n" if text.strip() else ""
    return f"{before}[servers.{name}]\n" + "".join(f"{_pair(key, value)}\n" for key, value in values.items())


def _changed(path: Path, text: str, name: str, values: Mapping[str, str]) -> str:
    places = key_lines(text)
    lines = text.splitlines()
    header = places["servers", name] - 1
    if not lines[header].lstrip().startswith("["):
        raise ConfigError(
            f"{path}:{header + 1}: server {name} is not written as a table of its own",
            advice=f"Change it by hand, or write it as [servers.{name}].",
        )
    for key, value in values.items():
        if (line := places.get(("servers", name, key))) is not None:
            lines[line - 1] = _pair(key, value)
    new = [_pair(key, value) for key, value in values.items() if ("servers", name, key) not in places]
    return "\n".join([*lines[: header + 1], *new, *lines[header + 1 :]]) + "\n"


def _pair(key: str, value: str) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _replace(path: Path, text: str, mode: int) -> None:
    place = path.resolve()  # a link stays one: what it leads to is the configuration
    draft = place.with_name(f".{place.name}.{os.getpid()}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.unlink(missing_ok=True)  # of a process that had our number, and was killed
        with os.fdopen(os.open(draft, _NEW, mode), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        check(draft)
        os.chmod(draft, mode)  # noqa: PTH101 whatever the umask
        draft.replace(place)
        _sync_folder(place.parent)
    except ConfigInvalid as error:
        found = "; ".join(f"{problem.key}: {problem.text}" for problem in error.problems)
        raise ConfigError(f"{path} would be wrong, and was not changed: {found}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or type(error).__name__}") from error
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
