"""docs/ledger.md tells of every table, and of no other; its query works."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from unit.ledger_example import fresh, proven, settled
from xnatsync.ledger.open import open_ledger

TEXT = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")


def test_every_table_is_documented(tmp_path: Path) -> None:
    """What is in the file is in the manual."""
    ledger = fresh(tmp_path)
    section = TEXT[TEXT.index("## Tables") : TEXT.index("## Backup")]

    documented = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))

    assert documented == {name for name in ledger.database.table_names() if not name.startswith("sqlite_")}
    ledger.close()


def test_every_column_is_documented(tmp_path: Path) -> None:
    """Each table's columns are told with it, all of them and no other."""
    ledger = fresh(tmp_path)
    section = TEXT[TEXT.index("### Columns") : TEXT.index("## Retention")]
    documented: dict[str, list[str]] = {}
    table = ""
    for first, columns in re.findall(r"^\| (`\w+`)? ?\| ((?:`\w+` ?)+)\|", section, re.MULTILINE):
        table = first.strip("`") or table
        documented.setdefault(table, []).extend(re.findall(r"\w+", columns))

    expected = {
        name: sorted(ledger.database[name].columns_dict)
        for name in ledger.database.table_names()
        if not name.startswith("sqlite_")
    }

    assert {name: sorted(columns) for name, columns in documented.items()} == expected
    ledger.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a command for a POSIX shell")
@pytest.mark.parametrize("program", ["sqlite3", "python3"])
def test_the_backup_of_the_manual_is_a_whole_and_private_ledger(tmp_path: Path, program: str) -> None:
    """Copied from the page, run beside a writer, and opened."""
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")
    ledger = fresh(tmp_path)
    (unit,) = settled(ledger)
    receipt = proven(ledger, unit)
    (command,) = re.findall(rf"^    (\(umask 077 && {program} .*)$", TEXT, re.MULTILINE)
    (tmp_path / "backup").mkdir()

    subprocess.run(["sh", "-c", command.replace("/backup/", f"{tmp_path}/backup/")], cwd=tmp_path, check=True)

    (copy,) = (tmp_path / "backup").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored = open_ledger(copy)
    assert restored.receipt(unit.id) == receipt
    restored.close()
    ledger.close()


def test_the_query_of_the_manual_answers(tmp_path: Path) -> None:
    """A person can copy it."""
    ledger = fresh(tmp_path)
    (unit,) = settled(ledger)
    receipt = proven(ledger, unit)
    (query,) = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)

    rows = ledger.database.execute(query).fetchall()

    assert rows == [("visit1", "NEURO", "P1", "S0", "names", 1, receipt.at)]
    ledger.close()
