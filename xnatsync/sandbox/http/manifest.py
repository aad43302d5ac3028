"""A catalogue of files with their whole addresses, to download them by: `format=xcat` (src FileList)."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from xnatsync.sandbox.http.exchange import Response

_SPACE = 'xmlns:cat="http://nrg.wustl.edu/catalog"'


def manifest(files: Iterable[tuple[str, str, str]]) -> Response:
    """Answer with the catalogue of files, each given by its address, its path in an archive and its size."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<cat:Catalog {_SPACE}>", "<cat:entries>"]
    for address, path, size in files:
        fields = f'<cat:metaField name="RELATIVE_PATH">{escape(path)}</cat:metaField>'
        fields += f'<cat:metaField name="SIZE">{size}</cat:metaField>'
        lines.append(f"<cat:entry URI={quoteattr(address)} name={quoteattr(path.rpartition('/')[2])}>")
        lines += [f"<cat:metaFields>{fields}</cat:metaFields>", "</cat:entry>"]
    lines += ["</cat:entries>", "</cat:Catalog>", ""]
    headers = {"Content-Type": "application/xcat", "Content-Disposition": 'attachment; filename="files.xcat";'}
    return Response(200, headers, "\n".join(lines).encode())
