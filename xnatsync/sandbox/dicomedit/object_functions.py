"""Functions that look at or change a whole object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from xnatsync.sandbox.dicomedit.elements import comparable, put, text_of
from xnatsync.sandbox.dicomedit.pixels import blank_rectangle
from xnatsync.sandbox.dicomedit.places import drop, found, items_found, made
from xnatsync.sandbox.dicomedit.syntax import Path, ScriptError, Step
from xnatsync.sandbox.dicomedit.text_functions import hashed_uid, mapped_uid, shifted_moment

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Argument = Path | str
PathOf = Callable[[str], Path]
_STUDY_DATE: Final = 0x00080020
_BIRTH_DATE: Final = 0x00100030
_AGE: Final = 0x00101010
_OLDEST: Final = 89


class Edited:
    """An object under edit: its data set and, as group 2, its file meta information."""

    def __init__(self, dataset: Dataset, meta: Dataset, path_of: PathOf) -> None:
        self.dataset = dataset
        self.meta = meta
        self._path_of = path_of

    def root(self, path: Path) -> Dataset:
        """Return where a path begins."""
        first = path.steps[0]
        return self.meta if isinstance(first, Step) and first.group == "0002" else self.dataset

    def text(self, path: Path) -> str | None:
        """Return the text of the first element that a path means; None when there is none."""
        places = found(self.root(path), path)
        return text_of(*places[0]) if places else None

    def assign(self, path: Path, text: str, *, existing: bool) -> None:
        """Give elements a value; one that is not there is made unless only `existing` ones are meant."""
        root = self.root(path)
        for holder, tag in found(root, path) if existing else made(root, path):
            put(holder, tag, text)

    def remove(self, path: Path) -> None:
        """Remove elements; of an item its elements are removed, the item stays."""
        root, last = self.root(path), path.steps[-1]
        if isinstance(last, Step) and last.item is not None:
            for item in items_found(root, path):
                item.clear()
            return
        for holder, tag in found(root, path):
            if tag in holder:
                drop(holder, tag)

    def call(self, name: str, arguments: Sequence[Argument]) -> list[str]:
        """Run a function; the texts are what it returns."""
        return _FUNCTIONS[name](self, arguments)

    def path(self, argument: Argument) -> Path:
        """Return an argument as a path; a text is read as one."""
        return argument if isinstance(argument, Path) else self._path_of(argument)

    def texts(self, arguments: Sequence[Argument]) -> list[str]:
        """Return the values that arguments stand for."""
        values: list[str] = []
        for argument in arguments:
            if isinstance(argument, str):
                values.append(argument)
            else:
                places = found(self.root(argument), argument)
                values += [text for place in places if (text := comparable(*place))]
        return values


def _everywhere(dataset: Dataset) -> Iterator[tuple[Dataset, int]]:
    for tag in list(dataset.keys()):
        element = dataset[tag]
        yield dataset, int(tag)
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _everywhere(item)


def _blank_values(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    values = set(edited.texts(arguments))
    if not values:
        return []
    for root in (edited.meta, edited.dataset):
        for holder, tag in list(_everywhere(root)):
            if comparable(holder, tag) in values:
                put(holder, tag, "")
    return []


def _remove_tags(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    for argument in arguments:
        edited.remove(edited.path(argument))
    return []


def _hash_uid_list(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    return _each(edited, arguments, hashed_uid)


def _map_referenced_uids(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    if not arguments or not isinstance(arguments[0], str):
        raise ScriptError("mapReferencedUIDs wants a UID root first")
    root = arguments[0]
    return _each(edited, arguments[1:], lambda text: mapped_uid(root, text))


def _shift_sequence(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    if not arguments or not isinstance(arguments[0], str):
        raise ScriptError("shiftDateTimeSequenceByIncrement wants the seconds first")
    seconds = arguments[0]
    return _each(edited, arguments[1:], lambda text: shifted_moment(text, seconds))


def _each(edited: Edited, arguments: Sequence[Argument], change: Callable[[str], str]) -> list[str]:
    for argument in arguments:
        path = edited.path(argument)
        for holder, tag in found(edited.root(path), path):
            if text := text_of(holder, tag):
                put(holder, tag, change(text))
    return []


def _is_present(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    def present(path: Path) -> bool:
        last = path.steps[-1]
        if isinstance(last, Step) and last.item is not None:
            return bool(items_found(edited.root(path), path))
        return bool(found(edited.root(path), path))

    return [str(all(present(edited.path(argument)) for argument in arguments)).lower()]


def _set(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    if len(arguments) != 2 or not isinstance(arguments[1], str):
        raise ScriptError("set wants a tag path and a value")
    edited.assign(edited.path(arguments[0]), arguments[1], existing=False)
    return []


def _remove_private(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    _without_private(edited.dataset, set())
    return []


def _retain_private(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    paths = [edited.path(argument) for argument in arguments]
    kept = {(id(holder), tag) for path in paths for holder, tag in found(edited.dataset, path)}
    _without_private(edited.dataset, kept)
    return []


def _without_private(dataset: Dataset, kept: set[tuple[int, int]]) -> None:
    """Remove private elements at every depth but those that are kept, with all that they hold and their creators."""
    for tag in list(dataset.keys()):
        number = int(tag)
        if tag not in dataset:
            continue
        if not number >> 16 & 1:
            if dataset[tag].VR == "SQ":
                for item in dataset[tag].value or ():
                    _without_private(item, kept)
        elif (id(dataset), number) not in kept and number & 0xFFFF > 0xFF:
            del dataset[tag]
    for tag in [tag for tag in list(dataset.keys()) if int(tag) >> 16 & 1 and int(tag) & 0xFFFF <= 0xFF]:
        first = (int(tag) & 0xFFFF0000) | (int(tag) & 0xFF) << 8
        if not any(first <= int(other) <= first | 0xFF for other in list(dataset.keys()) if int(other) & 0xFFFF > 0xFF):
            del dataset[tag]


def _scale_age(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    """Make a patient of 90 and more 89 years old: in the ages, and in the birth dates by the study date."""
    dataset = edited.dataset
    studied = _date(text_of(dataset, _STUDY_DATE))
    dates = text_of(dataset, _STUDY_DATE), text_of(dataset, _BIRTH_DATE)
    if dates[0] == "" and dates[1]:
        return []
    for holder, tag in list(_everywhere(dataset)):
        text = text_of(holder, tag) or ""
        if tag == _BIRTH_DATE and studied is not None and (born := _date(text)) is not None:
            if _years(born, studied) > _OLDEST:
                put(holder, tag, (_years_before(studied, _OLDEST) + timedelta(days=1)).strftime("%Y%m%d"))
        elif tag == _AGE and text[:3].isdecimal() and text[3:] == "Y" and int(text[:3]) > _OLDEST:
            put(holder, tag, f"{_OLDEST:03d}Y")
    return []


def _date(text: str | None) -> date | None:
    try:
        return datetime.strptime(text or "", "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        return None


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year - years, day=28)


def _years(born: date, then: date) -> int:
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))


def _alter_pixels(edited: Edited, arguments: Sequence[Argument]) -> list[str]:
    words = [argument for argument in arguments if isinstance(argument, str)]
    if len(words) != 4 or words[0] != "rectangle" or words[2] != "solid":
        raise ScriptError("alterPixels knows a solid rectangle")
    blank_rectangle(edited.dataset, edited.meta, words[1], words[3])
    return []


_FUNCTIONS: Final[dict[str, Callable[[Edited, Sequence[Argument]], list[str]]]] = {
    "alterpixels": _alter_pixels,
    "blankvalues": _blank_values,
    "collectvalues": lambda edited, arguments: edited.texts(arguments),
    "delete": _remove_tags,
    "hashuidlist": _hash_uid_list,
    "ispresent": _is_present,
    "mapreferenceduids": _map_referenced_uids,
    "removeallprivatetags": _remove_private,
    "removetags": _remove_tags,
    "retainprivatetags": _retain_private,
    "scalepatientageanddobfromstudydate": _scale_age,
    "set": _set,
    "shiftdatetimesequencebyincrement": _shift_sequence,
}
