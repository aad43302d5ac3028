"""The YAML file of a transfer: every field, every filter at every level, every slip with its line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from xnatsync.config.problems import ConfigInvalid
from xnatsync.config.transfer_yaml import load_transfer, transfer_yaml
from xnatsync.config.transfers import TransferFile
from xnatsync.core.errors import ConfigError
from xnatsync.core.transfer_filter import TransferFilter


def load(tmp_path: Path, text: str) -> tuple[TransferFile, list[tuple[int, str]]]:
    path = tmp_path / "transfer.yaml"
    path.write_text(text, encoding="utf-8")
    found, warnings = load_transfer(path)
    return found, [(problem.line, problem.key) for problem in warnings]


def refused(tmp_path: Path, text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, text)
    return [(problem.line, problem.key, problem.text) for problem in caught.value.problems]


WHOLE = """\
source_project: NEURO
dest_project: NEURO_STAGING
sync_new_only: true
max_failures: 5
scan_retry_count: 3
scan_retry_delay: 5.0
verify_after_transfer: true
scan_workers: 4
filtering:
  project_resources:
    sync_type: all
  subject_resources:
    sync_type: all
  subject_assessors:
    sync_type: all
  imaging_sessions:
    sync_type: all
    xsi_types: []
"""


def test_the_example_of_the_manual_says_every_default(tmp_path: Path) -> None:
    found, warnings = load(tmp_path, WHOLE)
    assert found == TransferFile(source_project="NEURO", dest_project="NEURO_STAGING")
    assert found.filtering.filter.is_everything
    assert not warnings


def test_what_transfer_init_writes_says_every_default(tmp_path: Path) -> None:
    found, warnings = load(tmp_path, transfer_yaml("A", "B"))
    assert found == TransferFile(source_project="A", dest_project="B")
    assert not warnings
    written = {line.split(":")[0].strip() for line in transfer_yaml("A", "B").splitlines()}
    assert set(TransferFile.model_fields) <= written


def test_every_field_has_an_effect(tmp_path: Path) -> None:
    """Each, set to another value, makes another configuration."""
    values = {
        "source_project": "A", "dest_project": "B", "sync_new_only": "false", "max_failures": "1",
        "scan_retry_count": "0", "scan_retry_delay": "0.5", "verify_after_transfer": "false", "scan_workers": "1",
        "dicom": "import", "filtering": "{project_resources: {sync_type: none}}",
    }  # fmt: skip
    assert set(values) == set(TransferFile.model_fields)
    for key, value in values.items():
        assert load(tmp_path, f"{key}: {value}\n")[0] != TransferFile()


_MR = """\
filtering:
  imaging_sessions:
    sync_type: include
    xsi_types:
      - xsi_type: "xnat:mrSessionData"
"""
_SNAPSHOTS = "scan_resources:\n  sync_type: exclude\n  items:\n    - SNAPSHOTS\n"
# the manual shows it without its indentation: wherever it may stand, it means the same for MR
INDENTATIONS = [_MR + textwrap.indent(_SNAPSHOTS, " " * deep) for deep in (2, 4, 8)]


@pytest.mark.parametrize("text", INDENTATIONS)
def test_mr_without_snapshots(tmp_path: Path, text: str) -> None:
    found = load(tmp_path, text)[0].filtering.filter
    assert found.takes_session("xnat:mrSessionData", "S1")
    assert not found.takes_session("xnat:petSessionData", "S1")
    assert found.takes_scan_resource("xnat:mrSessionData", "DICOM")
    assert not found.takes_scan_resource("xnat:mrSessionData", "SNAPSHOTS")
    assert found.takes_session_resource("xnat:mrSessionData", "SNAPSHOTS")


@pytest.mark.parametrize(
    ("sync", "asked", "other"),
    [("all", True, True), ("none", False, False), ("include, items: [A]", True, False),
     ("exclude, items: [A]", False, True)],
)  # fmt: skip
def test_every_sync_type_at_every_level(tmp_path: Path, sync: str, asked: bool, other: bool) -> None:
    """A is what is named, B what is not."""
    mr = "xnat:mrSessionData"
    level = f"{{sync_type: {sync}}}"

    def loaded(name: str) -> TransferFilter:
        return load(tmp_path, f"filtering: {{{name}: {level}}}\n")[0].filtering.filter

    def within(name: str) -> TransferFilter:
        text = f"filtering: {{imaging_sessions: {{xsi_types: [{{xsi_type: '{mr}', {name}: {level}}}]}}}}\n"
        return load(tmp_path, text)[0].filtering.filter

    questions = [
        loaded("project_resources").takes_project_resource,
        loaded("subject_resources").takes_subject_resource,
        lambda name: loaded("subject_assessors").takes_record("xnat:x", name),
        lambda name: loaded("imaging_sessions").takes_session(mr, name),
        lambda name: within("scan_types").takes_scan(mr, name),
        lambda name: within("scan_resources").takes_scan_resource(mr, name),
        lambda name: within("resources").takes_session_resource(mr, name),
        lambda name: within("session_assessors").takes_assessor(mr, "xnat:qc", name),
    ]
    assert [(ask("A"), ask("B")) for ask in questions] == [(asked, other)] * len(questions)


def test_a_filter_of_one_type_is_none_of_another(tmp_path: Path) -> None:
    """An exclusion by type moves the others whole, with all that is in them."""
    text = "filtering: {imaging_sessions: {sync_type: exclude, xsi_types: [{xsi_type: 'xnat:petSessionData'}]}}\n"
    found = load(tmp_path, text)[0].filtering.filter
    assert not found.takes_session("xnat:petSessionData", "P")
    assert found.takes_session("xnat:mrSessionData", "M")
    assert found.takes_scan("xnat:mrSessionData", "T1")
    assert found.takes_scan_resource("xnat:mrSessionData", "DICOM")


SLIPS = [
    ("scan_wokers: 4\n", 1, "scan_wokers", "did you mean scan_workers?"),
    ("filtering:\n  imaging_sessions:\n    synctype: all\n", 3, "filtering.imaging_sessions.synctype", "sync_type?"),
    ("filtering:\n  imaging_sessions:\n    sync_type: some\n", 3, "filtering.imaging_sessions.sync_type", '"all"'),
    ("max_failures: 0\n", 1, "max_failures", "at least 1"),
    ("max_failures: five\n", 1, "max_failures", "whole number"),
    ("max_failures: 1.5\n", 1, "max_failures", "whole number"),
    ("max_failures: true\n", 1, "max_failures", "whole number"),
    ("scan_retry_delay: -1\n", 1, "scan_retry_delay", "at least 0"),
    ("scan_retry_delay: .nan\n", 1, "scan_retry_delay", "number"),
    ("scan_retry_delay: .inf\n", 1, "scan_retry_delay", "number"),
    ("a: 1\nscan_workers: 400\n", 2, "scan_workers", "at most 32"),
    ("sync_new_only: 1\n", 1, "sync_new_only", "true or false"),
    ("dicom: move\n", 1, "dicom", '"copy" or "import"'),
    ("filtering:\n  project_resources:\n    items: QC\n", 3, "filtering.project_resources.items", "list"),
    (
        "filtering:\n  imaging_sessions:\n    xsi_types:\n      - resources: {}\n",
        4,
        "xsi_types[1].xsi_type",
        "required",
    ),
    ("filtering:\n  imaging_sessions:\n    xsi_types:\n      - xnat:mrSessionData\n", 4, "xsi_types[1]", "table"),
    ("max_failures: 5\nmax_failures: 6\n", 2, "max_failures", "twice"),
    ("source_project: a/b\n", 1, "source_project", "cannot be a name"),
    ("password: secret\n", 1, "password", "must not stand in this file"),
    ("5: 6\n", 1, "the file", "a key is a word"),
    ("a: [\n", 2, "the file", "is not YAML"),
    ("- a\n", 1, "the file", "must be keys"),
    ("x: !!python/object/apply:os.system [id]\n", 1, "the file", "is not YAML"),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), SLIPS)
def test_a_slip_is_told_with_its_line(tmp_path: Path, text: str, line: int, key: str, words: str) -> None:
    found = refused(tmp_path, text)
    assert any(at == line and name.endswith(key) and words in said for at, name, said in found), found
    assert not any("secret" in said for _, _, said in found)


def test_references_are_refused(tmp_path: Path) -> None:
    """A few lines of them make a document of any size."""
    with pytest.raises(ConfigError, match="refers to parts of itself"):
        load(tmp_path, "a: &x [1]\nb: *x\n")


@pytest.mark.parametrize("text", ["[" * 5000, "a: " * 3, "\x00", "max_failures: " + "9" * 5000, "a: " + "{b: " * 100])
def test_no_text_is_more_than_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, text)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        load_transfer(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes("source_project: A # ü\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_transfer(tmp_path / "latin.yaml")


IDLE = [
    ("filtering:\n  project_resources:\n    sync_type: all\n    items: [QC]\n", 4, "filtering.project_resources.items"),
    ("filtering:\n  project_resources:\n    sync_type: include\n", 3, "filtering.project_resources.sync_type"),
    (
        "filtering:\n  imaging_sessions:\n    xsi_types:\n      - xsi_type: xnat:mrSessionData\n", 4,
        "filtering.imaging_sessions.xsi_types[1]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key"), IDLE)
def test_what_has_no_effect_is_warned_of(tmp_path: Path, text: str, line: int, key: str) -> None:
    assert load(tmp_path, text)[1] == [(line, key)]
