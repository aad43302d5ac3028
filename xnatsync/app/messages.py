"""Sending one message to one address: mail, chats and webhooks by apprise, which is loaded with the first message.

An address is a secret.  What apprise says of a failure may repeat it, so of that only a few words of our own are kept.
"""

from __future__ import annotations

import importlib
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from xnatsync.core.errors import NotifyFailed

_INSTALL = "Install it: `pip install 'xnatsync[notify]'`."
_STATUS = re.compile(r"error=(\d{3})\b|\((\d{3})\)")
_LIBRARIES = ("apprise", "urllib3", "requests")
_WORDS = (
    (("authentication", "auth", "login"), "it refused the login"),
    (("connection", "socket", "unreachable", "refused", "timed out"), "it could not be reached"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    title: str
    body: str
    good: bool = False


class Sender(Protocol):
    """The port: who sends a message to an address; NotifyFailed, which never names it, when it was not taken."""

    def __call__(self, address: str, message: Message) -> None:
        """Send it."""
        ...


class _Heard(logging.Handler):
    """Keeps what a library says, in memory alone."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage().casefold())


def send(address: str, message: Message) -> None:
    """Send a message by apprise: one address at a time, as only then its answer is known."""
    apprise = library()
    asset = apprise.AppriseAsset(
        app_id="xnatsync", app_desc="xnatsync", app_url="", image_url_mask="", async_mode=False, secure_logging=True,
        storage_mode="memory",
    )  # fmt: skip
    with _unheard() as heard:
        target = apprise.Apprise(asset=asset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its plug-ins are loaded here, with what they think of each other
            is_known = target.add(address)
        if not is_known:
            raise NotifyFailed(
                "the address is not understood",
                advice="Write it as apprise does, such as mailtos://user:password@host or slack://token.",
            )
        kind = apprise.NotifyType.SUCCESS if message.good else apprise.NotifyType.WARNING
        if not target.notify(body=message.body, title=message.title, notify_type=kind, body_format="text"):
            raise NotifyFailed(_why(heard))


@contextmanager
def _unheard() -> Iterator[list[str]]:
    """Let the lines of the libraries go nowhere: an address may stand in them; gives those that say why."""
    heard = _Heard()
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    former = [(log, log.propagate, log.level) for log in loggers]
    for log in loggers:
        log.propagate = False
        log.setLevel(logging.WARNING)
        log.addHandler(heard)
    try:
        yield heard.lines
    finally:
        for log, propagate, level in former:
            log.removeHandler(heard)
            log.propagate = propagate
            log.setLevel(level)


def library() -> Any:
    """Load apprise; NotifyFailed where it is not installed."""
    try:
        return importlib.import_module("apprise")
    except ImportError:
        raise NotifyFailed("the package `apprise` is not installed", advice=_INSTALL) from None


def _why(lines: list[str]) -> str:
    """Say why in words of our own: what the library says may repeat a secret."""
    text = " ".join(lines)
    if (status := _STATUS.search(text)) is not None:
        return f"it answered HTTP {status[1] or status[2]}"
    return next((words for signs, words in _WORDS if any(sign in text for sign in signs)), "it took no message")
