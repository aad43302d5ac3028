"""One place for each kind of thing: SQL, URLs, printing, threads, catching everything."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tidy.house import (
    SUPERVISORS,
    attempt_findings,
    diary_findings,
    effect_findings,
    except_findings,
    kind_findings,
    modules,
    noun_findings,
    phase_findings,
    print_findings,
    sql_findings,
    thread_findings,
    time_findings,
    url_findings,
)

MODULES = dict(modules())
CHECKS: list[Callable[[str, str], list[str]]] = [
    attempt_findings,
    effect_findings,
    diary_findings,
    except_findings,
    kind_findings,
    noun_findings,
    phase_findings,
    print_findings,
    sql_findings,
    thread_findings,
    time_findings,
    url_findings,
]


@cache
def _findings() -> dict[str, list[str]]:
    """What each check finds in all modules; each is parsed once for all checks."""
    found: dict[str, list[str]] = {check.__name__: [] for check in CHECKS}
    for name, text in MODULES.items():
        for check in CHECKS:
            found[check.__name__] += check(name, text)
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_kind_of_thing_has_its_place(check: Callable[[str, str], list[str]]) -> None:
    """Only the diary writes events, only `attempts` announces, only effects act,
    only the ledger holds SQL, only the client and the sandbox URLs, only the renderer prints, only those who stop
    threads start them, and only the supervisors catch everything.
    """
    assert _findings()[check.__name__] == []


def test_every_named_supervisor_is_one() -> None:
    """The list of exceptions does not outlive its reasons."""
    for name, functions in SUPERVISORS.items():
        assert "except Exception" in MODULES[name], name
        assert all(f"def {function}(" in MODULES[name] for function in functions or ()), name


PLANTED: list[tuple[Callable[[str, str], list[str]], str]] = [
    (kind_findings, "x = 'mirror' if isinstance(route, MirrorRoute) else 'push'"),
    (kind_findings, "if isinstance(config, MirrorConfig | PushConfig): pass"),
    (kind_findings, "match route:\n    case PushRoute():\n        pass"),
    (phase_findings, "if unit.phase == 'landed': pass"),
    (phase_findings, "x = item.phase not in {'done', 'left'}"),
    (phase_findings, "match item.phase:\n    case 'seen' | 'left':\n        pass"),
    (time_findings, "wait_s = (parse(until) - parse(now)).total_seconds()"),
    (attempt_findings, "world.ledger.open_attempt(unit.id)"),
    (attempt_findings, "end = world.ledger.end_deed\nend(1)"),
    (effect_findings, "world.server(unit.server).put_file('E', 'R', 'n', c)"),
    (effect_findings, "pool.submit(server.import_zip, target)"),
    (diary_findings, "world.ledger.event('x', 'y', level='info', now=now)"),
    (diary_findings, "def f(ledger):\n    ledger.event('x', 'y')"),
    (except_findings, "try:\n    x = 1\nexcept:\n    pass"),
    (except_findings, "try:\n    x = 1\nexcept Exception:\n    x = 2"),
    (except_findings, "try:\n    x = 1\nexcept (ValueError, Exception) as error:\n    print(error)"),
    (
        except_findings,
        "def f():\n    try:\n        x = 1\n    except BaseException as e:\n        raise ValueError from e",
    ),
    (print_findings, "print('x')"),
    (print_findings, "import sys\nsys.stdout.write('x')"),
    (print_findings, "import sys\nsys.stderr.buffer.write(b'x')"),
    (sql_findings, "x = 'select a from b'"),
    (sql_findings, "x = f'update {t} set a = 1'\ny = ' INSERT INTO a VALUES (1)'"),
    (sql_findings, "def f():\n    '''Docs.'''\n    return 'delete from item'"),
    (sql_findings, "x = 'PRAGMA synchronous = off'"),
    (thread_findings, "import threading\nthreading.Thread(target=f).start()"),
    (thread_findings, "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as p: pass"),
    (thread_findings, "import subprocess\nsubprocess.Popen(['ls'])"),
    (url_findings, "x = '/data/projects'"),
    (url_findings, "x = f'{url}/data/experiments/{session}'"),
    (url_findings, "x = '/xapi/services/x'"),
    (url_findings, "x = 'data/prearchive'"),
]


@pytest.mark.parametrize(("check", "text"), PLANTED)
def test_a_planted_one_is_caught(check: Callable[[str, str], list[str]], text: str) -> None:
    """In the engine's recovery, which has no business with any of them."""
    assert check("xnatsync.engine.holds", text)


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (except_findings, "xnatsync.engine.holds", "try:\n    x = 1\nexcept BaseException:\n    undo()\n    raise"),
        (except_findings, "xnatsync.engine.holds", "try:\n    x = 1\nexcept OSError:\n    pass"),
        (sql_findings, "xnatsync.engine.holds", "'''select a from b'''\nx = 'Selected files come from the list.'"),
        (sql_findings, "xnatsync.ledger.units", "x = 'select a from b'"),
        (url_findings, "xnatsync.xnat.wire", "x = '/data/projects'"),
        (url_findings, "xnatsync.config.model", "x = '/data/incoming/prisma'"),
        (print_findings, "xnatsync.cli.render", "print('x')"),
        (thread_findings, "xnatsync.routes.drop.effects", "ThreadPoolExecutor(2)"),
    ],
)
def test_and_what_is_allowed_is_not(check: Callable[[str, str], list[str]], name: str, text: str) -> None:
    """A rule that cries wolf is switched off."""
    assert check(name, text) == []


def test_a_noun_that_opens_its_own_connection_is_caught() -> None:
    """Only commands of nouns are asked: others have no service."""
    planted = "def f():\n    from xnatsync.app.profile import connected"

    assert noun_findings("xnatsync.cli.scan_changes", planted)
    assert noun_findings("xnatsync.cli.download", planted) == []
