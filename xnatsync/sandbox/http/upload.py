"""The forms in which a request brings files (hierarchy.md §6.1)."""

from __future__ import annotations

from collections.abc import Iterator

from xnatsync.sandbox.http.exchange import Refusal, Request, pieces
from xnatsync.sandbox.http.multipart import read_parts

_SUFFIXES = {
    "application/zip": ".zip",
    "application/x-tar": ".tar",
    "application/x-gtar": ".tar.gz",
    "application/x-gzip": ".gzip",
    "application/octet-stream": "",
    "application/dicom": ".dcm",
    "application/xar": ".xar",
    "application/x-mirc": "",
    "application/x-mirc-dicom": "",
}
"""Content types whose body is the file even without `inbody`; the suffix of the name XNAT pretends (import.md §1.4)."""

_PIECE = 1 << 20


def receive(request: Request, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Return the files of a body with the names they are to have; refuse at once what XNAT refuses before it reads.

    `path` is the name the URL gives; multipart parts without one keep the name they came with.
    """
    kind = request.content_type
    in_body = request.flag("inbody")
    if kind == "multipart/form-data":
        if in_body:
            raise Refusal(400, f"You tried to PUT a payload of {kind} but XNAT expected the file itself in the body.")
        return _parts(request, path)
    if kind == "application/x-www-form-urlencoded":
        # its body is taken for a form, by the CSRF check or the multipart parser (§2.4): no file is left
        raise Refusal(500, "the request was rejected because no multipart boundary was found")
    if request.length == 0 and not kind:
        raise Refusal(500)
    if not in_body and kind not in _SUFFIXES:
        raise Refusal(
            400, f"You tried to {request.method} a payload of {kind} but didn't provide any data in the body."
        )
    if not request.length and kind != "application/zip":
        raise Refusal(
            500,
            "In-body File posts must include the file directly as the body of the message "
            f"(request entity size is {-1 if request.length is None else 0}).",
        )
    name = path or f"upload{_SUFFIXES.get(kind, '.unsupported')}"
    return iter([(name, pieces(request.body, _PIECE))])


def _parts(request: Request, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    for part in read_parts(request):
        if part.filename:
            yield path or part.filename, part.chunks
