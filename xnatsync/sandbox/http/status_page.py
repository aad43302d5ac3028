"""Restlet's HTML status page: what every refused /data request answers (hierarchy.md §1)."""

from __future__ import annotations

from http import HTTPStatus

from xnatsync.sandbox.http.exchange import Refusal, Response

_STOCK = {
    400: "The request could not be understood by the server due to malformed syntax",
    401: "The request requires user authentication",
    403: "The server understood the request, but is refusing to fulfill it",
    404: "The server has not found anything matching the request URI",
    405: "The method specified in the request is not allowed for the resource identified by the request URI",
    406: "The resource identified by the request is only capable of generating response entities which have content "
    "characteristics not acceptable according to the accept headers sent in the request",
    409: "The request could not be completed due to a conflict with the current state of the resource",
    500: "The server encountered an unexpected condition which prevented it from fulfilling the request",
    501: "The server does not support the functionality required to fulfill the request",
}


def reason(status: int) -> str:
    """Return the words of a status line."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def status_page(refusal: Refusal) -> Response:
    """Make the page; the message is not HTML-escaped, as XNAT's is not."""
    status = refusal.status
    group, number = divmod(status, 100)
    message = refusal.message or _STOCK.get(status, reason(status))
    body = (
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n"
        f"<h3>{message}</h3><p>You can get technical details "
        f'<a href="http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10.{group}.{number + 1}">here</a>.<br>\n'
        'Please continue your visit at our <a href="/">home page</a>.\n</p>\n</body>\n</html>\n'
    )
    return Response(status, {"Content-Type": "text/html;charset=UTF-8", **refusal.headers}, body.encode())
