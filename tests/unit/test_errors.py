"""Every failure carries what a person and a program need."""

from __future__ import annotations

import pickle

import pytest

from xnatsync.core.errors import Disposition, Exit, ReadFailed, ServerUnwell, XnatsyncError


def every_error(root: type[XnatsyncError] = XnatsyncError) -> list[type[XnatsyncError]]:
    """The classes of `core.errors`, the root included."""
    found = [root]
    for child in root.__subclasses__():
        found += every_error(child)
    return [kind for kind in found if kind.__module__ == "xnatsync.core.errors"]


EXITS = {value for name, value in vars(Exit).items() if not name.startswith("_")}
LEAVES = [kind for kind in every_error() if "code" in vars(kind)]


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_says_what_to_do(kind: type[XnatsyncError]) -> None:
    """A sentence of advice, which ends like one."""
    error = kind("something happened")

    assert str(error) == "something happened"
    assert error.remedy == kind.advice
    assert len(kind.advice) > 10
    assert kind.advice.endswith(".")


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_has_a_disposition_and_an_exit_code_of_the_catalogue(kind: type[XnatsyncError]) -> None:
    """What the engine does about it, and what a script sees of it: never success, never "differences found"."""
    assert isinstance(kind.disposition, Disposition)
    assert kind.exit_code in EXITS - {Exit.OK, Exit.DIFFERENT}


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_what_asks_a_person_names_a_command_a_setting_or_an_act(kind: type[XnatsyncError]) -> None:
    """ "Nothing to do" is said only where that is true."""
    if kind.disposition in {Disposition.PERSON, Disposition.REFUSED}:
        assert not kind.advice.startswith("Nothing to do")


def test_an_advice_of_the_moment_replaces_the_general_one() -> None:
    """Where more is known, more is said."""
    error = ReadFailed("x", advice="Read it again.", http=500)

    assert (error.remedy, error.http, error.retry_after_s) == ("Read it again.", 500, None)
    assert ReadFailed.advice != "Read it again."


def test_the_servers_own_word_on_when_to_come_back_is_kept() -> None:
    """Retry-After travels with the error to whoever decides how long to wait."""
    assert ServerUnwell("x", retry_after_s=7.0).retry_after_s == 7.0


def test_an_error_survives_a_copy_between_processes() -> None:
    """Its sentence and its class do; nothing in it is tied to the place where it happened."""
    copied = pickle.loads(pickle.dumps(ReadFailed("a listing was cut")))

    assert (type(copied), str(copied)) == (ReadFailed, "a listing was cut")
