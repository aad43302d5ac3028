"""The catalogue of a resource as XML (hierarchy.md §5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from xnatsync.sandbox.model.objects import FileEntry, Resource

_SPACES = 'xmlns:cat="http://nrg.wustl.edu/catalog" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def catalog_xml(resource: Resource, project: str, location: str = "") -> bytes:
    """Write the catalogue: `cat:DCMCatalog` with a UID per entry for what was built from DICOM, else `cat:Catalog`.

    `location` adds the server's path, as `includeRootPath=true` asks.
    """
    name = "cat:DCMCatalog" if resource.dicom else "cat:Catalog"
    attributes = {"ID": resource.label, "UID": resource.uid if resource.dicom else ""}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<{name}{_attributes(attributes)} {_SPACES}>",
        "<cat:metaFields>",
    ]
    lines.append(f'<cat:metaField name="PROJECT">{escape(project)}</cat:metaField>')
    if location:
        lines.append(f'<cat:metaField name="CATALOG_LOCATION">{escape(location)}</cat:metaField>')
    lines.append("</cat:metaFields>")
    if resource.dimensions is not None:
        x, y, z = resource.dimensions
        lines.append(f'<cat:dimensions x="{x}" y="{y}" z="{z}"/>')
    lines.append("<cat:entries>")
    for entry in resource.entries.values():
        lines += _entry(entry)
    lines += ["</cat:entries>", f"</{name}>", ""]
    return "\n".join(lines).encode()


def catalog_name(resource: Resource, scan_id: str = "") -> str:
    """Return the name of the catalogue's file (import.md §4.7)."""
    if not scan_id:
        return f"{resource.label}_catalog.xml"
    middle = "" if resource.label == "DICOM" else f"{resource.label}_"
    return f"scan_{scan_id}_{middle}catalog.xml"


def _entry(entry: FileEntry) -> Iterator[str]:
    attributes = {
        "URI": entry.path,
        "ID": entry.path,
        "name": entry.path.rpartition("/")[2],
        "cachePath": entry.path,
        "digest": entry.digest,
        "format": entry.format,
        "content": entry.content,
        "description": entry.description,
        "createdBy": entry.created_by,
        "createdTime": _iso(entry.created_time),
        "modifiedBy": entry.modified_by,
        "modifiedTime": _iso(entry.modified_time),
        "UID": entry.uid,
        "instanceNumber": entry.instance_number,
        "xsi:type": "cat:dcmEntry" if entry.uid else "",
    }
    yield f"<cat:entry{_attributes(attributes)}>"
    if entry.tags:
        tags = "".join(f"<cat:tag>{escape(tag)}</cat:tag>" for tag in entry.tags.split(",") if tag)
        yield f"<cat:tags>{tags}</cat:tags>"
    yield f'<cat:metaFields><cat:metaField name="SIZE">{entry.size}</cat:metaField></cat:metaFields>'
    yield "</cat:entry>"


def _attributes(values: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in values.items() if value)


def _iso(stamp: str) -> str:
    return stamp.replace(" ", "T").partition(".")[0]
