"""What a write request brings: XML in the body, a form, parameters on top (hierarchy.md §4.3, "Body type")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xnatsync.sandbox.http.exchange import Refusal, Request, Response, escaped, text
from xnatsync.sandbox.http.multipart import read_parts
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, from_params, from_xml


@contextmanager
def model_errors() -> Iterator[None]:
    """Turn refusals of the model into answers."""
    try:
        yield
    except ModelError as error:
        raise Refusal(error.status, error.message) from error


def created_at(site: Site, path: str) -> Response:
    """Answer to a POST into a list with the address of what was made, in the body and in `Location`."""
    url = f"{site.settings.text('siteUrl')}{path}"
    answer = text(url)
    answer.headers["Location"] = url
    return answer


def load_values(request: Request, root: str = "") -> Values:
    """Read the body, if there is one XNAT looks at, and put the query on top.

    A chunked XML body is ignored: XNAT asks for the length before it looks (import.md §6.4).
    """
    values = Values()
    form: list[tuple[str, str]] = []
    kind = request.content_type
    if kind == "multipart/form-data":
        for part in read_parts(request):
            if part.filename.lower().endswith(".xml"):
                with model_errors():
                    values = from_xml(part.text())
            elif not part.filename:
                form.append((part.name, part.text().decode("utf-8", "replace")))
    elif request.length and _is_xml(request, kind):
        with model_errors():
            values = from_xml(request.body.read())
    elif kind == "application/x-www-form-urlencoded" or request.param("req_format") == "form":
        form = [pair for pair in request.form() if pair not in request.query]
    elif request.length and kind:  # a body without a type is passed over, as by XNAT
        raise Refusal(415, f"A body of the type {kind} is not read here.")
    params = [(key, escaped(value)) for key, value in (*form, *request.query)]
    with model_errors():
        return from_params(params, values, root)


def _is_xml(request: Request, kind: str) -> bool:
    return kind in {"text/xml", "application/xml"} or request.param("req_format") == "xml" or request.flag("inbody")
