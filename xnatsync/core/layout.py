"""Where in a tree does a resource's file lie, and whose file lies at a path?

Four templates of folders say it, one for each level that owns resources.  `path` and `locate` are each other's inverse:
what could be read as something else is refused, in a template when the configuration is read, in a name when it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.misread import Misread
from xnatsync.core.paths import HostileName, check_path, check_segment, clashes, folded
from xnatsync.core.selection import TIERS, Tier

DEFAULTS: Mapping[Tier, str] = {
    "scan": "{project}/{subject}/{session}/scans/{scan}/resources/{resource}/files/{path}",
    "session": "{project}/{subject}/{session}/resources/{resource}/files/{path}",
    "subject": "{project}/{subject}/resources/{resource}/files/{path}",
    "project": "{project}/resources/{resource}/files/{path}",
}
SIDECARS: Mapping[OwnerKind, str] = {kind: f"{kind.value}.xml" for kind in OwnerKind}
_SIDECAR_ENDS = tuple(SIDECARS.values())

_PLACE = re.compile(r"\{([a-z_]*)\}")
_UNSAFE = re.compile(r"[^\w +=.,()-]")
_PLACES: Mapping[Tier, frozenset[str]] = {
    "project": frozenset({"project", "resource", "path"}),
    "subject": frozenset({"project", "subject", "resource", "path"}),
    "session": frozenset({"project", "subject", "session", "session_id", "resource", "path"}),
    "scan": frozenset({"project", "subject", "session", "session_id", "scan", "scan_type", "resource", "path"}),
}
_IDENTITY = frozenset({"project", "subject", "session", "session_id"})  # what names an owner


@dataclass(frozen=True, slots=True)
class Place:
    """Whose file lies at a path.  What the template does not name is "".  A sidecar is an owner's metadata."""

    level: Tier
    project: str = ""
    subject: str = ""
    session: str = ""
    session_id: str = ""
    scan: str = ""
    resource: str = ""
    name: str = ""  # path within the resource
    sidecar: bool = False

    @property
    def kind(self) -> OwnerKind:
        """The kind of owner it belongs to: a scan's files are its session's."""
        return OwnerKind("session" if self.level == "scan" else self.level)

    @property
    def key(self) -> ResourceKey:
        """The resource within its owner."""
        return ResourceKey(self.scan, self.resource)


@dataclass(frozen=True, slots=True)
class Step:
    """One folder of a template: fixed text around one place, or fixed text alone."""

    before: str
    place: str = ""
    after: str = ""

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the folder's name."""
        return f"{self.before}{values[self.place]}{self.after}" if self.place else self.before

    @property
    def shape(self) -> str:
        """What its names look like, as a regular expression: whatever stands in the place stands in a group."""
        inner = r"(?s:.+)" if self.place == "path" else "[^/]+"
        group = f"(?P<{self.place}>{inner})" if self.place else ""
        return f"{re.escape(self.before)}{group}{re.escape(self.after)}"

    def differs(self, other: Step) -> bool:
        """Return whether ordinary names never let the two look alike: fixed text differs, or meets a label."""
        if not self.place and not other.place:
            return folded(self.before) != folded(other.before)
        if not self.place or not other.place:
            return "path" not in {self.place, other.place}
        length = min(len(self.before), len(other.before))
        if folded(self.before[:length]) != folded(other.before[:length]):
            return True
        length = min(len(self.after), len(other.after))
        tails = folded(self.after[len(self.after) - length :]), folded(other.after[len(other.after) - length :])
        return "path" not in {self.place, other.place} and tails[0] != tails[1]


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """How the paths of one level are made."""

    level: Tier
    text: str
    steps: tuple[Step, ...]
    shape: re.Pattern[str]  # of its paths

    @classmethod
    def parse(cls, level: Tier, text: str, *, one_project: bool = False) -> PathTemplate:
        """Read a template; ValueError says what is wrong with it and what to write."""
        steps = tuple(_step(level, part) for part in text.split("/"))
        places = [step.place for step in steps if step.place]
        if twice := sorted({place for place in places if places.count(place) > 1}):
            raise ValueError(f"{{{twice[0]}}} stands there twice")
        if steps[-1].place != "path" or steps[-1].after:
            raise ValueError("{path} must stand at its end: it is the file's path within the resource")
        for needed in _needed(level, one_project=one_project):
            if not needed & set(places):
                words = " or ".join(f"{{{place}}}" for place in sorted(needed))
                raise ValueError(f"without {words} different files of a {level} would have the same path")
        return cls(level, text, steps, _shape(steps))

    @property
    def places(self) -> frozenset[str]:
        """What is filled in."""
        return frozenset(step.place for step in self.steps if step.place)

    def read(self, path: str) -> dict[str, str] | None:
        """Return what stands in the places, None when a path is not of this shape."""
        found = self.shape.fullmatch(path)
        return found.groupdict() if found is not None else None

    @property
    def folder(self) -> tuple[Step, ...] | None:
        """The folders that name the owner, None when the name of a scan or resource stands among them."""
        ends = [number for number, step in enumerate(self.steps, 1) if step.place in _IDENTITY]
        steps = self.steps[: ends[-1]] if ends else ()
        return steps if all(step.place in _IDENTITY | {""} for step in steps) else None

    def meets(self, other: PathTemplate) -> bool:
        """Return whether ordinary names could give both the same path."""
        for mine, theirs in zip(self.steps, other.steps, strict=False):
            if mine.differs(theirs):
                return False
            if "path" in {mine.place, theirs.place}:
                break
        return True


@dataclass(frozen=True, slots=True)
class Layout:
    """The templates of all four levels.  `project` is the only one a route has, "" when it has several."""

    templates: Mapping[Tier, PathTemplate]
    project: str = ""
    windows: bool = False
    _folders: dict[Tier, tuple[Step, ...] | None] = field(init=False, repr=False, compare=False, default_factory=dict)
    _sidecars: dict[Tier, re.Pattern[str]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for level in TIERS:  # once, not for each path
            self._folders[level] = steps = self._own_folder(level)
            if steps is not None and level != "scan":
                self._sidecars[level] = _shape((*steps, Step(SIDECARS[OwnerKind(level)])))

    @classmethod
    def parse(cls, texts: Mapping[Tier, str] | None = None, *, project: str = "", windows: bool = False) -> Layout:
        """Read templates, the default for each that is not given; ValueError begins with the level that is wrong.

        With one project alone its name may be left out of the paths.  `windows` refuses also what Windows refuses.
        """
        templates: dict[Tier, PathTemplate] = {}
        for level in TIERS:
            text = (texts or {}).get(level, DEFAULTS[level])
            try:
                templates[level] = PathTemplate.parse(level, text, one_project=bool(project))
            except ValueError as error:
                raise Misread(level, str(error)) from None
        given = [level for level in reversed(TIERS) if level in (texts or {})]
        for one in given:
            for other in TIERS:
                if one != other and templates[one].meets(templates[other]):
                    raise Misread(
                        one,
                        f"a file of a {one} and one of a {other} ({templates[other].text}) could have the same "
                        "path: give each a folder of its own, such as scans/ and resources/",
                    )
        return cls(templates, project, windows)

    def path(self, owner: Owner, key: ResourceKey, name: str, *, scan_type: str = "") -> str:
        """Say where a file lies; HostileName when its name must not be one on a disk, or read as another's."""
        level: Tier = "scan" if key.scan else _tier(owner.kind)
        template = self.templates[level]
        values = self._values(owner) | {
            "scan": key.scan,
            "resource": key.label,
            "path": name,
            "scan_type": tame(scan_type),
        }
        check_path(name, windows=self.windows)
        path = "/".join(self._filled(template.steps, values))
        check_path(path, windows=self.windows)
        told = {place: values[place] for place in template.places}
        if self.locate(path) != self._place(level, told):
            raise HostileName("its path would be read as that of something else")
        return path

    def sidecar(self, owner: Owner) -> str | None:
        """Say where an owner's metadata lie; None when no folder of the layout is the owner's alone."""
        steps = self._folder(_tier(owner.kind))
        if steps is None:
            return None
        return check_path("/".join([*self._filled(steps, self._values(owner)), SIDECARS[owner.kind]]))

    def folders(self, owner: Owner) -> tuple[str, ...]:
        """List the folders that hold all files of an owner, and nothing that is not its or below it.

        "" is the whole tree; empty when the layout has no such folders.
        """
        levels: tuple[Tier, ...] = ("session", "scan") if owner.kind is OwnerKind.SESSION else (_tier(owner.kind),)
        found = [self._folder(level) for level in levels]
        if any(steps is None for steps in found):
            return ()
        values = self._values(owner)
        return tuple(dict.fromkeys("/".join(self._filled(steps, values)) for steps in found if steps is not None))

    def locate(self, path: str) -> Place | None:
        """Say whose file lies at a path; None when nothing of this layout does."""
        try:
            check_path(path, windows=self.windows)
        except HostileName:
            return None
        if path.endswith(_SIDECAR_ENDS):
            for level, shape in self._sidecars.items():
                if (sidecar := shape.fullmatch(path)) is not None:
                    return self._place(level, sidecar.groupdict(), sidecar=True)
        for level in TIERS:
            if (found := self.templates[level].read(path)) is not None:
                return self._place(level, found)
        return None

    def above(self, level: Tier, path: str) -> Place | None:
        """Say what a folder names so far in which files of a level may lie further down; None when none may.

        "" stands for what the folders below it name.
        """
        parts, steps = path.split("/"), self.templates[level].steps
        if len(parts) >= len(steps):
            return None
        found = _shape(steps[: len(parts)]).fullmatch(path)
        return self._place(level, found.groupdict()) if found is not None else None

    @staticmethod
    def clashes(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """Group paths that some disk cannot hold beside each other, as `treenames.clashes` says."""
        return clashes(paths)

    def _values(self, owner: Owner) -> dict[str, str]:
        if self.project and owner.project != self.project:
            raise ValueError(f"this tree is that of {self.project} alone")
        return {
            "project": owner.project,
            "subject": owner.subject,
            "session": owner.session,
            "session_id": owner.id if owner.kind is OwnerKind.SESSION else "",
        }

    def _filled(self, steps: Iterable[Step], values: Mapping[str, str]) -> list[str]:
        for step in steps:
            if step.place and step.place != "path":
                _check_label(values[step.place], windows=self.windows)
        return [step.fill(values) for step in steps]

    def _place(self, level: Tier, found: Mapping[str, str], *, sidecar: bool = False) -> Place:
        told = {key: value for key, value in found.items() if key not in {"", "path", "scan_type"}}
        told.setdefault("project", self.project)
        return Place(level, name=found.get("path", ""), sidecar=sidecar, **told)

    def _folder(self, level: Tier) -> tuple[Step, ...] | None:
        return self._folders[level]

    def _own_folder(self, level: Tier) -> tuple[Step, ...] | None:
        """A folder is an owner's own when whatever could lie in it names the same owner at the same step."""
        steps = self.templates[level].folder
        if steps is None:
            return None
        for other in self.templates.values():
            pairs = list(zip(steps, other.steps, strict=False))
            apart = any(mine.differs(theirs) for mine, theirs in pairs)
            if not apart and any(mine.place != theirs.place for mine, theirs in pairs):
                return None
        return steps


def tame(text: str) -> str:
    """Make a folder's name of a text that identifies nothing, such as a scan's type: `T1 / MPR` → `T1 _ MPR`."""
    safe = _UNSAFE.sub("_", text).strip(". ")[:60]
    return safe or "_"


def _tier(kind: OwnerKind) -> Tier:
    return {OwnerKind.PROJECT: TIERS[0], OwnerKind.SUBJECT: TIERS[1], OwnerKind.SESSION: TIERS[2]}[kind]


def _check_label(text: str, *, windows: bool) -> None:
    check_segment(text, windows=windows)
    if folded(text) in SIDECARS.values():
        raise HostileName("it has the name of the metadata beside it")


def _shape(steps: Iterable[Step]) -> re.Pattern[str]:
    return re.compile("/".join(step.shape for step in steps))


def _needed(level: Tier, *, one_project: bool) -> list[set[str]]:
    """What a template must hold, one of each, so that different files get different paths."""
    needed: list[set[str]] = [] if one_project else [{"project"}]
    if level == "subject":
        needed.append({"subject"})
    if level in {"session", "scan"}:
        needed.append({"session", "session_id"})
    if level == "scan":
        needed.append({"scan"})
    return [*needed, {"resource"}]


def _step(level: Tier, part: str) -> Step:
    found = _PLACE.findall(part)
    before, place, after = part, "", ""
    if found:
        if len(found) > 1:
            raise ValueError(
                f"{part}: one place in a folder's name, as two could not be distinguished: put a slash between them"
            )
        (place,) = found
        before, after = _PLACE.split(part)[::2]
        if place not in _PLACES[level]:
            raise ValueError(f"{{{place}}} is nothing that a {level} has: {', '.join(sorted(_PLACES[level]))}")
    if any(char in f"{before}{after}" for char in "{}"):
        raise ValueError(f"{part}: write places as {{name}}")
    try:
        check_segment(f"{before}x{after}" if place else part, windows=True)
    except HostileName as error:
        raise ValueError(f"{part or 'a folder without a name'}: {error}") from None
    return Step(before, place, after)
