"""Which representation a request gets: `Accept` decides about 406 before `format=` is looked at (§1.8–1.10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from xnatsync.sandbox.http.exchange import Refusal, Request, Response
from xnatsync.sandbox.model.tables import Row, render_table, sorted_rows

LIST_VARIANTS = ("application/json", "text/html", "text/xml")
ITEM_VARIANTS = ("text/html", "text/xml")
FILE_VARIANTS = ("application/json", "text/html", "text/xml", "image/jpeg")
CATALOG_VARIANTS = ("text/xml",)

_FORMATS = {"application/json": "json", "text/html": "html", "text/xml": "xml", "text/csv": "csv", "text/plain": "txt"}
_ALIASES = {"application/xml": "text/xml"}


def negotiated_format(request: Request, variants: Sequence[str]) -> str:
    """Return the format asked for ("json", "xml", "csv", ...); raise 406 when `Accept` fits no variant at all.

    The order is XNAT's: the header is matched against the resource's variants first, so that a wrong `Accept` is
    refused even with a good `format=`; only then does `format=` override the variant.
    """
    variant = _accepted(request.headers.get("accept", ""), variants)
    if variant is None:
        raise Refusal(406)
    wanted = request.param("format")
    return _FORMATS.get(wanted, wanted) if wanted else _FORMATS.get(variant, variant)


def listing_response(
    request: Request,
    rows: Iterable[Row],
    *,
    title: str = "",
    total: bool = True,
    columns: Sequence[str] | None = None,
    described: Sequence[Mapping[str, object]] = (),
    extra: Mapping[str, object] | None = None,
    sort: bool = True,
) -> Response:
    """Answer with a table in the format asked for, sorted when `sortBy` asks for it; streamed, without a length.

    A format no table has (`format=zip`, ...) has no representation: 404 (hierarchy.md §1.15).
    """
    fmt = negotiated_format(request, LIST_VARIANTS)
    if sort and (sort_by := request.param("sortBy")):
        rows = sorted_rows(rows, sort_by, request.param("sortOrder").upper() == "DESC")
    if fmt not in {"json", "csv", "xml", "html"}:
        raise Refusal(404)
    kind, body = render_table(rows, fmt, title=title, total=total, columns=columns, described=described, extra=extra)
    return Response(headers={"Content-Type": f"{kind};charset=UTF-8" if kind != "text/html" else kind}, body=body)


def _accepted(header: str, variants: Sequence[str]) -> str | None:
    best: tuple[float, int] | None = None
    chosen = None
    for kind, quality in _ranges(header or "*/*"):
        for rank, variant in enumerate(variants):
            if quality > 0 and _fits(kind, variant) and (best is None or (quality, -rank) > best):
                best, chosen = (quality, -rank), variant
    return chosen


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(","):
        kind, *parameters = [piece.strip() for piece in part.split(";")]
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        yield _ALIASES.get(kind.lower(), kind.lower()), quality


def _fits(kind: str, variant: str) -> bool:
    return kind in {"*/*", "*", variant} or (kind.endswith("/*") and variant.startswith(kind[:-1]))
