"""Tag paths over a data set: which elements a path means, and the places that an assignment makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from xnatsync.sandbox.dicomedit.syntax import ANY_ITEM, Level, Path, ScriptError, Step

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_WILD: Final = {"X": "[0-9A-F]", "@": "[02468ACE]", "#": "[13579BDF]"}
_ITEMS_MAX: Final = 4096

Place = tuple["Dataset", int]
"""An element: the data set or item that holds it, and its tag."""


def found(dataset: Dataset, path: Path) -> list[Place]:
    """Return the elements that exist and that a path means, each once, in the order of the data set."""
    seen: dict[tuple[int, int], Place] = {}
    for place in _resolved(dataset, path.steps):
        seen.setdefault((id(place[0]), place[1]), place)
    return list(seen.values())


def items_found(dataset: Dataset, path: Path) -> list[Dataset]:
    """Return the items that a path means which ends with the number of an item."""
    last = path.steps[-1]
    assert isinstance(last, Step)
    return [
        item
        for holder, tag in found(dataset, Path((*path.steps[:-1], Step(last.group, last.element, last.creator))))
        for item in _items(holder, tag, last.item)
    ]


def made(dataset: Dataset, path: Path) -> list[Place]:
    """Return the places of an assignment: those that exist for wildcards, else one that is made with its items."""
    if any(isinstance(step, Level) or step.wild or step.item == ANY_ITEM for step in path.steps):
        return found(dataset, path)
    holder = dataset
    for step in path.steps[:-1]:
        assert isinstance(step, Step)
        holder = _made_item(holder, _made_tag(holder, step), step.item or 0)
    last = path.steps[-1]
    assert isinstance(last, Step)
    return [(holder, _made_tag(holder, last))]


def creator_of(dataset: Dataset, tag: int) -> str:
    """Return the private creator of a private element; empty when it has none."""
    block = tag >> 8 & 0xFF
    element = dataset.get((tag & 0xFFFF0000) | block)
    return _text(element) if block >= 0x10 and element is not None else ""


def drop(dataset: Dataset, tag: int) -> None:
    """Remove an element; the creator of a private block goes with the last element of the block.

    A creator that reserved two blocks of a group stays (T: `DuplicatedInvalidPrivateTagRemoval`).
    """
    del dataset[tag]
    block, group = tag >> 8 & 0xFF, tag & 0xFFFF0000
    creator = group | block
    if tag >> 16 & 1 and block >= 0x10 and creator in dataset:
        first, name = group | block << 8, _text(dataset[creator])
        creators = [group | number for number in range(0x10, 0x100) if group | number in dataset]
        twice = sum(_text(dataset[other]) == name for other in creators) > 1
        if not twice and not any(first <= int(other) <= first | 0xFF for other in list(dataset.keys())):
            del dataset[creator]


def _resolved(dataset: Dataset, steps: Sequence[Level | Step]) -> Iterator[Place]:
    step, rest = steps[0], steps[1:]
    if isinstance(step, Level):
        if step.kind in {"*", "?"}:
            yield from _resolved(dataset, rest)
        deeper = {"*": steps, "+": (Level("*"), *rest)}.get(step.kind, rest)
        for item in _all_items(dataset):
            yield from _resolved(item, deeper)
        return
    for tag in _tags(dataset, step):
        if not rest:
            yield dataset, tag
            continue
        for item in _items(dataset, tag, step.item):
            yield from _resolved(item, rest)


def _tags(dataset: Dataset, step: Step) -> list[int]:
    if step.creator is None and not step.wild:
        return [step.tag] if step.tag in dataset else []
    if step.creator is None:
        pattern = _pattern(step.group + step.element)
    else:
        blocks = "|".join(_blocks(dataset, step))
        if not blocks:
            return []
        pattern = re.compile(f"{_digits(step.group)}(?:{blocks}){_digits(step.element)}")
    return [int(tag) for tag in sorted(dataset.keys()) if pattern.fullmatch(f"{int(tag):08X}")]


def _blocks(dataset: Dataset, step: Step) -> list[str]:
    """Return the blocks that a creator reserved in the groups of a step, as two digits each."""
    group = re.compile(_digits(step.group))
    return sorted(
        {
            f"{int(tag) & 0xFF:02X}"
            for tag in list(dataset.keys())
            if 0x10 <= int(tag) & 0xFFFF <= 0xFF
            and group.fullmatch(f"{int(tag) >> 16:04X}")
            and _text(dataset[tag]) == (step.creator or "").strip()
        }
    )


def _made_tag(dataset: Dataset, step: Step) -> int:
    if step.creator is None:
        return step.tag
    group = int(step.group, 16)
    blocks = _blocks(dataset, step)
    block = int(blocks[0], 16) if blocks else 0x10
    if not blocks:
        while group << 16 | block in dataset:
            block += 1
        if block > 0xFF:
            raise ScriptError(f"no private block is left in group {step.group}")
        dataset.add_new(group << 16 | block, "LO", step.creator)
    return group << 16 | block << 8 | int(step.element, 16)


def _made_item(holder: Dataset, tag: int, number: int) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as Items

    if number > _ITEMS_MAX:
        raise ScriptError(f"item {number} is not made")
    if tag not in holder or holder[tag].VR != "SQ" or holder[tag].value is None:
        holder.add_new(tag, "SQ", Items())
    items = holder[tag].value
    while len(items) <= number:
        items.append(Dataset())
    found_item: Dataset = items[number]
    return found_item


def _items(dataset: Dataset, tag: int, number: int | None) -> list[Dataset]:
    element = dataset[tag]
    items = list(element.value or ()) if element.VR == "SQ" else []
    if number is None or number == ANY_ITEM:
        return items
    return items[number : number + 1]


def _all_items(dataset: Dataset) -> Iterator[Dataset]:
    for tag in sorted(dataset.keys()):
        if tag in dataset:
            yield from _items(dataset, int(tag), None)


def _digits(text: str) -> str:
    return "".join(_WILD.get(digit, digit) for digit in text)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(_digits(text))


def _text(element: object) -> str:
    value = getattr(element, "value", "")
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return str(value or "").strip(" \0")
