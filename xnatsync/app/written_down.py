"""An entry in the diary for each change that a person makes on a server: what was done, to what, where and as whom.

    with written_down(profile, "session.deleted", "delete session XNAT_E00001 of project NEURO", files=True) as told:
        ...  # the effect, and the look afterwards
        told["scans"] = 12

The ledger is opened before the effect: one that is damaged, or that cannot be written to, stops it.  Without a ledger
at the place that the configuration names nothing is written, and none is begun.  What is told names things by accession
ID, scan ID and project, never by the label of a subject or of a session, which are made of patients' names (S8).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from xnatsync.app.profile import Profile
from xnatsync.config.load import load
from xnatsync.core.errors import XnatsyncError
from xnatsync.core.moment import stamp
from xnatsync.engine.diary import Diary
from xnatsync.ledger.ledger import Ledger

Told = dict[str, object]


class NotWrittenDown(UserWarning):
    """The change was made, and its line in the diary could not be written."""


@contextmanager
def written_down(profile: Profile | None, code: str, deed: str, **data: object) -> Iterator[Told]:
    """Do an effect inside this block, and have it in the diary with its outcome, whatever that is.

    `code` is what was done, such as `session.deleted`; `deed` the same as a command, such as `delete session
    XNAT_E00001`.  The block may add to what is told.  A failure is written down with its code, and goes on.
    """
    told = Told(data)
    ledger = _ledger(profile)
    if ledger is None or profile is None:
        yield told
        return
    whom = f"{deed}, as {profile.login.user} on server {profile.name}"
    told |= {"server": profile.name, "url": profile.login.url, "user": profile.login.user}
    try:
        try:
            yield told
        except BaseException as error:
            reason = error.code if isinstance(error, XnatsyncError) else type(error).__name__
            _note(ledger, code, f"{whom}: {reason}", "error", told | {"outcome": reason})
            raise
        _note(ledger, code, f"{whom}: done", "warning", told | {"outcome": "done"})
    finally:
        ledger.close()


def note_edit(config_file: Path, code: str, deed: str, **data: object) -> None:
    """Have an edit of a configuration file, which was made, in the diary of that configuration, where there is one.

    A ledger that cannot be written to is told as a warning: the file may be edited to mend just that.
    """
    note_deed(config_file, code, f"{deed} in the configuration", **data)


def note_deed(config_file: Path, code: str, text: str, **data: object) -> None:
    """Have what was done here, not on a server, in the diary of a configuration, where there is one."""
    try:
        ledger = _ledger_at(load(config_file).ledger.path)
        if ledger is not None:
            with closing(ledger):
                _note(ledger, code, text, "info", {**data, "outcome": "done"})
    except XnatsyncError as error:
        warnings.warn(f"not written into the diary ({error}): {text}", NotWrittenDown, stacklevel=3)


def _ledger(profile: Profile | None) -> Ledger | None:
    """Open the ledger of the configuration beside whoever works with it; None where there is none."""
    return _ledger_at(profile.config.ledger.path) if profile is not None else None


def _ledger_at(path: Path) -> Ledger | None:
    if not path.exists():
        return None
    from xnatsync.ledger.open import open_ledger

    return open_ledger(path, beside=True)


def _note(ledger: Ledger, code: str, text: str, level: str, told: Told) -> None:
    """Write the line; the effect has happened already, so a failure here is told and does not deny it."""
    now = stamp(datetime.now(UTC))
    try:
        Diary(ledger, lambda: now).note(code, text, level=level, data=told)
    except XnatsyncError as error:
        warnings.warn(f"not written into the diary ({error}): {text}", NotWrittenDown, stacklevel=4)
