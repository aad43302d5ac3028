"""Values of fields as XNAT takes them: as parameters where it keeps them as they are, else as a partial document.

XNAT stores a parameter's `'`, `&` and the like escaped, `it&apos;s` for `it's` (hierarchy.md §1.7); the text of a
document is kept.  A document is merged into what is there (§4.3), and its root is taken from the thing's own document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from xnatsync.core.errors import ReplyStrange, Usage
from xnatsync.xnat import raw
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.replies import Reply, Row
from xnatsync.xnat.wire import Query

VARIABLES: Final = "fields/field"
_XNAT: Final = "http://nrg.wustl.edu/xnat"
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:/[A-Za-z][A-Za-z0-9_]*)*")
_VARIABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,63}")
_ESCAPED: Final = re.compile("[&<>'\"]")
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ATTRIBUTES: Final = frozenset({"visit_id", "visit", "version", "original", "protocol", "type", "UID", "group", "src"})
_NAMED_BY: Final = ("ID", "project", "label")
_IDENTITY: Final = frozenset({"id", "label", "project", "subject_id", "sharing", "scans", "resources", "assessors"})


@dataclass(frozen=True, slots=True)
class Root:
    """The beginning of a thing's document: the name of its element, and the attributes that say which thing it is."""

    name: str
    attributes: Mapping[str, str]


def check_field(field: str) -> str:
    """Return the name of a field that may be set; Usage for what is none, or says which thing it is."""
    if not _FIELD.fullmatch(field):
        raise Usage(f"{field!r} is no name of a field", advice="Write it as `note`, or `acquisition_site`.")
    if field.partition("/")[0].lower() in _IDENTITY:
        raise Usage(
            f"{field} is not set as a field", advice="Labels, projects and subjects have commands of their own."
        )
    return field


def check_variable(name: str) -> str:
    """Return the name of a custom variable; Usage for one that XNAT could not keep."""
    if not _VARIABLE.fullmatch(name):
        raise Usage(f"{name!r} is no name of a custom variable", advice="Write NAME=VALUE; letters, digits and _ -.")
    return name


def check_text(text: str) -> str:
    """Return a value that a document can hold; Usage for control characters."""
    if _UNWRITABLE.search(text):
        raise Usage("the value holds a control character", advice="Give plain text.")
    return text


def are_plain(values: Mapping[str, str], variables: Mapping[str, str]) -> bool:
    """Return whether XNAT keeps all of these as they are when they come as parameters."""
    return not any(_ESCAPED.search(text) or text != text.strip() for text in (*values.values(), *variables.values()))


def as_parameters(xsi_type: str, values: Mapping[str, str], variables: Mapping[str, str]) -> Query:
    """Write them as parameters, the type with them: without it XNAT answers 200 and does nothing (§4.3)."""
    fields = [(f"{xsi_type}/{name}", text) for name, text in values.items()]
    custom = [(f"{xsi_type}/{VARIABLES}[name={name}]/field", text) for name, text in variables.items()]
    return (("xsiType", xsi_type), *fields, *custom)


def as_document(root: Root, values: Mapping[str, str], variables: Mapping[str, str]) -> Body:
    """Write them as a document that names the thing and holds nothing else."""
    attributes = dict(root.attributes) | {name: text for name, text in values.items() if name in _ATTRIBUTES}
    inner = "".join(_element(name.split("/"), text) for name, text in values.items() if name not in _ATTRIBUTES)
    if variables:
        custom = (f"<xnat:field name={quoteattr(name)}>{escape(text)}</xnat:field>" for name, text in variables.items())
        inner += f"<xnat:fields>{''.join(custom)}</xnat:fields>"
    written = "".join(f" {name}={quoteattr(text)}" for name, text in attributes.items())
    return _document(f'<{root.name}{written} xmlns:xnat="{_XNAT}">{inner}</{root.name}>')


def project_document(project_id: str, name: str, description: str, keywords: str, pi: tuple[str, str]) -> Body:
    """Write a new project (§17: the order is the schema's)."""
    parts = [("name", name), ("description", description), ("keywords", keywords)]
    inner = "".join(f"<xnat:{tag}>{escape(text)}</xnat:{tag}>" for tag, text in parts if text)
    if any(pi):
        names = zip(("firstname", "lastname"), pi, strict=True)
        inner += (
            f"<xnat:PI>{''.join(f'<xnat:{tag}>{escape(text)}</xnat:{tag}>' for tag, text in names if text)}</xnat:PI>"
        )
    written = f"ID={quoteattr(project_id)} secondary_ID={quoteattr(project_id)}"
    return _document(f'<xnat:Project {written} xmlns:xnat="{_XNAT}">{inner}</xnat:Project>')


def root_of(reply: Reply) -> Root:
    """Read which element a thing's document begins with; ReplyStrange when it is none of XNAT's."""
    found: list[Root] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if not found:
            kept: dict[str, str] = {name: text for name, text in attributes.items() if name in _NAMED_BY}
            found.append(Root(tag, kept))

    def refuse(*_: object) -> None:
        raise ReplyStrange(f"{reply.call.what}: the answer declares a document type, which no item does")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(reply.body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise ReplyStrange(f"{reply.call.what}: the answer is not XML, or only a part of it") from error
    if not re.fullmatch(r"xnat:[A-Za-z0-9_]+", found[0].name):
        raise ReplyStrange(f"{reply.call.what}: the answer is no item of XNAT")
    return found[0]


def shown(fields: Row, children: Mapping[str, list[Row]], field: str) -> str:
    """Return what an item shows under a field, wherever it tells it: its own, or in a child (§4.1)."""
    if field in fields:
        return _written(fields[field])
    head, _, rest = field.partition("/")
    for row in children.get(head, ()):
        if rest in row:
            return _written(row[rest])
    return ""


def is_same(asked: str, shown_: str) -> bool:
    """Return whether what is shown is what was asked for, in whatever way XNAT writes numbers and truth."""
    if asked == shown_ or asked.strip() == shown_.strip():
        return True
    if asked.lower() in {"true", "1"} and shown_.lower() in {"true", "1"}:
        return True
    if asked.lower() in {"false", "0"} and shown_.lower() in {"false", "0"}:
        return True
    if found := re.fullmatch(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", asked):  # a date as XNAT takes it too (§4.3)
        return shown_ == f"{found[3]}-{found[1]}-{found[2]}"
    try:
        return float(asked) == float(shown_)
    except ValueError:
        return False


def _element(path: list[str], text: str) -> str:
    if not path:
        return escape(text)
    return f"<xnat:{path[0]}>{_element(path[1:], text)}</xnat:{path[0]}>"


def _document(text: str) -> Body:
    return raw.bytes_body(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), "text/xml")


def _written(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
