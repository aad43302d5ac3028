"""What may stand in `rules` of a drop route: conditions, and what becomes of the studies for which they hold."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, field_validator, model_validator

from xnatsync.config.values import Folder, Keyword, Part, is_name, quarrel
from xnatsync.core.labels import Template

_GROUP = re.compile(r"[a-z][a-z0-9_]*")
_EFFECTS = ("project", "subject", "session", "destination", "collision", "hold", "ignore")


def _given_template(value: str) -> str:
    Template.parse(value, given=True)
    return value


def _project(value: str) -> str:
    if "{" not in value and not is_name(value):
        raise ValueError(f"{value!r} cannot be a project: A-Z a-z 0-9 _ -, or a template such as {{table.project}}")
    return _given_template(value)


def _matcher(value: object) -> object:
    if isinstance(value, str):
        return {"like": value}
    if not isinstance(value, (dict, MatchConfig)):
        raise ValueError('must be a text, in quotes, or { exact = "..." } or { regex = "..." }')  # noqa: TRY004
    return value


GivenTemplate = Annotated[str, AfterValidator(_given_template)]
ProjectText = Annotated[str, AfterValidator(_project)]


class MatchConfig(Part):
    """A condition: a text is a shell pattern; a table says otherwise."""

    like: str | None = None
    exact: str | None = None
    regex: str | None = None

    @field_validator("regex")
    @classmethod
    def _is_expression(cls, regex: str | None) -> str | None:
        if regex is None:
            return None
        try:
            groups = re.compile(regex).groupindex
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        if bad := sorted(name for name in groups if not _GROUP.fullmatch(name) or name == "table"):
            raise ValueError(f"the group {bad[0]} cannot be used: small letters, digits and _, and not `table`")
        return regex

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(part is not None for part in (self.like, self.exact, self.regex)) != 1:
            raise ValueError("say one of `like`, `exact` and `regex`")
        return self


Match = Annotated[MatchConfig, BeforeValidator(_matcher)]


class TableConfig(Part):
    """`table` of a rule: the row of a CSV file that belongs to a study."""

    file: Folder
    match: dict[str, GivenTemplate]
    missing: Literal["hold", "next"] = "hold"

    @field_validator("match")
    @classmethod
    def _finds_something(cls, match: dict[str, str]) -> dict[str, str]:
        if not match or not all(name.strip() == name and name for name in match):
            raise ValueError('name at least one column and what stands in it: { patient = "{PatientID}" }')
        return match


class RuleConfig(Part):
    """One of `rules`: what becomes of studies for which every condition holds."""

    name: str = ""
    when: dict[Keyword, Match] = Field(default_factory=dict)
    path: Match | None = None
    table: TableConfig | None = None
    project: ProjectText | None = None
    subject: GivenTemplate | None = None
    session: GivenTemplate | None = None
    destination: Literal["archive", "prearchive"] | None = None
    collision: Literal["hold", "suffix"] | None = None
    hold: str | None = None
    ignore: StrictBool = False

    @property
    def then(self) -> Literal["send", "hold", "ignore"]:
        """Return what becomes of what it takes."""
        return "hold" if self.hold is not None else "ignore" if self.ignore else "send"

    @property
    def groups(self) -> frozenset[str]:
        """List the named groups of its regular expressions."""
        matches = [*self.when.values(), *([self.path] if self.path is not None else [])]
        return frozenset(name for match in matches if match.regex for name in re.compile(match.regex).groupindex)

    @field_validator("when")
    @classmethod
    def _says_something(cls, when: dict[str, MatchConfig]) -> dict[str, MatchConfig]:
        if not when:
            raise ValueError("name at least one header field; what matches no rule goes to the route's `project`")
        return when

    @field_validator("name")
    @classmethod
    def _is_a_word(cls, name: str) -> str:
        if len(name) > 60 or not name.isprintable():
            raise ValueError("at most 60 characters, in one line")
        return name

    @field_validator("hold")
    @classmethod
    def _is_a_reason(cls, hold: str | None) -> str | None:
        if hold is not None and not (hold.strip() and hold.isprintable() and len(hold) <= 200):
            raise ValueError("say in a line why a person must look: it is shown with what is held")
        return hold

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        found: list[tuple[str, str]] = []
        if not self.when and self.path is None and self.table is None:
            words = (
                "name at least one header field, `path` or `table`; what no rule takes goes to the route's `project`"
            )
            found.append(("when", words))
        said = [key for key in _EFFECTS if getattr(self, key) not in {None, False}]
        if not said:
            found.append(("project", "say what becomes of it: `project`, `subject`, `session`, `hold`, `ignore`, ..."))
        if self.then != "send" and len(said) > 1:
            found.append((said[0] if said[0] != self.then else said[1], f"means nothing beside `{self.then}`"))
        if found:
            raise quarrel(found)
        return self
