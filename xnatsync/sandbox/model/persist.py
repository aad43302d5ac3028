"""State on disk: one JSON document per object, written atomically and a moment after the change."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import threading
import time
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

T = TypeVar("T")


@functools.cache
def _fields(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@functools.cache
def _hints(cls: type) -> dict[str, object]:
    return typing.get_type_hints(cls)


def encode(value: object) -> object:
    """Turn dataclasses, however deep, into what JSON takes."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    kind: type = type(value)
    return {name: encode(getattr(value, name)) for name in _fields(kind)}


def decode(hint: object, value: object) -> object:
    """Build what `encode` took apart; fields a document lacks get their defaults."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if value is None or hint is object:
        return value
    if origin is types.UnionType or origin is typing.Union:
        return decode(next(choice for choice in arguments if choice is not type(None)), value)
    if origin is dict and isinstance(value, dict):
        return {key: decode(arguments[1], item) for key, item in value.items()}
    if origin in {list, set} and isinstance(value, list):
        return [decode(arguments[0], item) for item in value]
    if origin is tuple and isinstance(value, list):
        return tuple(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        hints = _hints(hint)
        return hint(**{name: decode(hints[name], item) for name, item in value.items() if name in hints})
    return value


class Documents:
    """The folder of documents.

    `save` and `forget` only take note; a thread writes what was noted within moments, each document once however often
    it changed meanwhile, so that a thousand uploads into one session do not write its document a thousand times.
    `flush` and `close` leave nothing unwritten.
    """

    def __init__(self, folder: Path | None, lock: threading.RLock, pause: float = 0.1) -> None:
        self._folder = folder
        self._lock = lock
        self._pause = pause
        self._kinds: dict[type, tuple[str, Callable[[object], str]]] = {}
        self._dirty: dict[Path, object | None] = {}
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    def register(self, cls: type[T], folder: str, key: Callable[[T], str]) -> list[T]:
        """Declare how objects of a class are kept, and load those that are there."""
        self._kinds[cls] = (folder, typing.cast("Callable[[object], str]", key))
        if self._folder is None:
            return []
        (self._folder / folder).mkdir(parents=True, exist_ok=True)
        texts = [path.read_text("utf-8") for path in sorted((self._folder / folder).glob("*.json"))]
        return [typing.cast("T", decode(cls, json.loads(text))) for text in texts]

    def save(self, obj: object) -> None:
        """Take note that an object has changed."""
        self._note(obj, obj)

    def forget(self, obj: object) -> None:
        """Take note that an object is gone."""
        self._note(obj, None)

    def flush(self) -> None:
        """Write all that is noted."""
        with self._writing:
            with self._wake:
                noted, self._dirty = self._dirty, {}
            for path, obj in noted.items():
                if obj is None:
                    path.unlink(missing_ok=True)
                    continue
                with self._lock:
                    document = encode(obj)
                _write(path, document)

    def close(self) -> None:
        """Write all that is noted and ends the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _note(self, obj: object, kept: object | None) -> None:
        if self._folder is None:
            return
        folder, key = self._kinds[type(obj)]
        path = self._folder / folder / f"{quote(key(obj), safe=' ')}.json"
        with self._wake:
            # pop first: a document is written in the order of its last change, deletions and re-creations included
            self._dirty.pop(path, None)
            self._dirty[path] = kept
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="sandbox-state", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _run(self) -> None:
        pause = self._pause
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._dirty or self._closed)
                if self._closed:
                    return
                self._wake.wait_for(lambda: self._closed, timeout=pause)
            began = time.monotonic()
            self.flush()
            pause = max(self._pause, 10 * (time.monotonic() - began))  # never more than a tenth of the time for this


def _write(path: Path, document: object) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    os.replace(temporary, path)  # noqa: PTH105
