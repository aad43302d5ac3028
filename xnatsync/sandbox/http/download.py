"""One file over HTTP: ranges, conditions, headers (hierarchy.md §6.5)."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime

from xnatsync.sandbox.http.exchange import FileBody, Refusal, Request, Response
from xnatsync.sandbox.model.store import Store

_TYPES = mimetypes.MimeTypes(strict=False)
_KNOWN = {".dcm": "application/dicom", ".xml": "text/xml", ".json": "application/json", ".gz": "application/x-gzip"}


def send_file(store: Store, request: Request, path: str, name: str) -> Response:
    """Answer with a stored file: the whole of it, one range of it (206), or 304; there are no ETags."""
    size = store.size(path)
    if size is None:
        raise Refusal(404, "Unable to find file.")
    modified = store.modified(path)
    if "if-match" in request.headers:
        raise Refusal(412)
    headers = {
        "Content-Type": content_type(name),
        "Last-Modified": formatdate(int(modified), usegmt=True),
        "Cache-Control": "must-revalidate",
        "Content-Disposition": f'attachment; filename="{name}";',
    }
    if _unmodified(request.headers.get("if-modified-since", ""), modified):
        return Response(304, headers)
    asked = _range(request.headers.get("range", ""), size)
    if asked is None:
        return Response(200, headers, _part(store, path, 0, size))
    first, last = asked
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(206, headers, _part(store, path, first, last - first + 1))


def content_type(name: str) -> str:
    """Tell the media type by the extension."""
    suffix = "." + name.rpartition(".")[2].lower()
    return _KNOWN.get(suffix) or _TYPES.types_map[True].get(suffix) or "application/octet-stream"


def refuse_open_range(request: Request) -> None:
    """Fail as Restlet does when an open range is asked of generated content, whose size it does not know (§6.5)."""
    if re.fullmatch(r"bytes=(\d+-|-\d+)", request.headers.get("range", "").replace(" ", "")):
        raise Refusal(500)


def _part(store: Store, path: str, offset: int, length: int) -> FileBody | bytes:
    real = store.real_path(path)
    if real is not None:
        return FileBody(real, offset, length)
    with store.open(path) as file:
        file.seek(offset)
        return file.read(length)


def _unmodified(since: str, modified: float) -> bool:
    if not since:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def _range(header: str, size: int) -> tuple[int, int] | None:
    if not header.startswith("bytes="):
        return None
    if "," in header:
        raise Refusal(501, "Multiple ranges are not supported yet.")
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    if first >= size or last < first:
        raise Refusal(416, headers={"Content-Range": f"bytes */{size}"})
    return first, last


def inner_file(content: Iterator[bytes], name: str) -> Response:
    """Answer with a member of an archive."""
    headers = {"Content-Type": content_type(name), "Content-Disposition": f'attachment; filename="{name}";'}
    return Response(200, headers, content)
