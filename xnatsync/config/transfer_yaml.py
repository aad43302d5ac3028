"""The YAML file of `project transfer`: every problem with its line, and the file that a person begins with."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xnatsync.config.problems import ConfigInvalid, Problem, named, problem_at, problems_of
from xnatsync.config.transfers import TransferFile, idle
from xnatsync.core.encoding import SAVE_AS_UTF8, not_utf8
from xnatsync.core.errors import ConfigError

_BYTES_MAX = 1 << 20
_DEPTH_MAX = 32
ADVICE = "`xnatsync project transfer-init` writes a file to begin with."


def load_transfer(path: Path) -> tuple[TransferFile, tuple[Problem, ...]]:
    """Read and check a file; give the warnings too.  ConfigInvalid with every problem, ConfigError for no file."""
    text = _text(path)
    tree = _Tree(path, text)
    found = list(tree.problems)
    config = None
    try:
        config = TransferFile.model_validate(tree.value)
    except ValidationError as error:
        found += problems_of(tree.line, (), TransferFile, error)
    if config is None or found:
        raise ConfigInvalid(path, sorted(found, key=lambda problem: (problem.line, problem.key)))
    told = idle(config.filtering, ("filtering",))
    return config, tuple(problem_at(tree.line, key, words, warning=True) for key, words in told)


def transfer_yaml(source: str, destination: str) -> str:
    """Return the text of a file with every key and its default."""
    return _BEGINNING.replace("{source}", source).replace("{destination}", destination)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", advice=ADVICE) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {not_utf8(raw)}", advice=SAVE_AS_UTF8) from error
    if len(raw) > _BYTES_MAX:
        raise ConfigError(f"{path} is longer than any configuration of a transfer", advice=ADVICE)
    return text


class _Tree:
    """A document as values, with the line of every key; a key that stands twice is a problem."""

    def __init__(self, path: Path, text: str) -> None:
        self._yaml = importlib.import_module("yaml")  # it is needed for such files alone
        self.lines: dict[tuple[str | int, ...], int] = {}
        self.problems: list[Problem] = []
        self.path = path
        try:
            self._refuse_monsters(text)
            node = self._yaml.compose(text, self._yaml.SafeLoader)
            loaded = self._yaml.safe_load(text)
        except self._yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 1
            words = f"is not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"
            raise ConfigInvalid(path, [Problem(line, "the file", words)]) from None
        except (ValueError, RecursionError, OverflowError):
            raise ConfigError(f"{path} is no configuration of a transfer: a value in it cannot be read") from None
        if node is not None:
            self._note(node, ())
        self.value: Any = {} if loaded is None else loaded
        if not isinstance(self.value, dict):
            raise ConfigInvalid(path, [Problem(1, "the file", "must be keys with values, such as `max_failures: 5`")])

    def line(self, key: Sequence[str | int]) -> int:
        """Return the line of a key, else of the nearest thing around it, else 1."""
        for depth in range(len(key), 0, -1):
            if (found := self.lines.get(tuple(key[:depth]))) is not None:
                return found
        return 1

    def _refuse_monsters(self, text: str) -> None:
        """Refuse a text of a few lines that becomes a document of any size or depth."""
        depth = 0
        for event in self._yaml.parse(text, self._yaml.SafeLoader):
            if isinstance(event, self._yaml.AliasEvent):
                raise ConfigError(f"{self.path} refers to parts of itself with `*`", advice="Write them out.")
            begins = isinstance(event, self._yaml.CollectionStartEvent)
            depth += begins - isinstance(event, self._yaml.CollectionEndEvent)
            if depth > _DEPTH_MAX:
                raise ConfigError(f"{self.path} is no configuration of a transfer: its tables are too deep")

    def _note(self, node: Any, above: tuple[str | int, ...]) -> None:
        for name, value, line in self._keyed(node):
            key = (*above, name)
            if key in self.lines:
                words = f"stands twice, in line {self.lines[key]} too"
                self.problems.append(Problem(line, named(key), words))
            self.lines.setdefault(key, line)
            self._note(value, key)

    def _keyed(self, node: Any) -> Iterator[tuple[str | int, Any, int]]:
        if isinstance(node, self._yaml.MappingNode):
            for name, value in node.value:
                line = name.start_mark.line + 1
                if not isinstance(name, self._yaml.ScalarNode) or name.tag != "tag:yaml.org,2002:str":
                    self.problems.append(Problem(line, "the file", "a key is a word, such as max_failures"))
                    continue
                yield name.value, value, line
        elif isinstance(node, self._yaml.SequenceNode):
            for number, value in enumerate(node.value):
                yield number, value, value.start_mark.line + 1


_BEGINNING = """\
# What `xnatsync project transfer --config FILE` copies, and how.  Every key has its default here: leave out what you
# do not need.
source_project: {source}
dest_project: {destination}
sync_new_only: true             # false: look at everything again, also at what is known to agree
max_failures: 5                 # subjects that fail in a row, before the run stops
scan_retry_count: 3             # retries of a request that fails for a while
scan_retry_delay: 5.0           # seconds before the first of them; it doubles
verify_after_transfer: true     # compare every file of both sides, not only what was written
scan_workers: 4                 # requests at once
dicom: copy                     # names and bytes stay as they are
filtering:                      # sync_type: all, none, include or exclude, with a list of items
  project_resources:
    sync_type: all
    items: []
  subject_resources:
    sync_type: all
    items: []
  subject_assessors:
    sync_type: all
    items: []                   # types, such as xnat:subjectVariablesData, or labels
    xsi_types: []
  imaging_sessions:
    sync_type: all
    items: []
    xsi_types: []
    # xsi_types:
    #   - xsi_type: "xnat:mrSessionData"
    #     scan_types: {sync_type: exclude, items: [localizer]}
    #     scan_resources: {sync_type: exclude, items: [SNAPSHOTS]}
    #     resources: {sync_type: all}
    #     session_assessors: {sync_type: none}
"""
