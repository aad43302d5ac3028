"""Why a certificate was refused, and what helps: each reason has a remedy of its own."""

from __future__ import annotations

import socket
import ssl
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from xnatsync.core.errors import ConfigError, TlsRefused
from xnatsync.xnat import names

Trust = Callable[[], ssl.SSLContext]  # makes a context that trusts whom we trust

_LOOK_S: Final = 3.0
_NAMES_MAX: Final = 5

# X509_V_ERR_* of OpenSSL
_NOT_YET, _EXPIRED, _HOST, _ADDRESS = 9, 10, 62, 64
_TIMES: Final = {
    _EXPIRED: (", and it has expired", "  And the server's administrator must renew it."),
    _NOT_YET: (", and it is not valid yet", "  And check this machine's clock: `date`."),
}
_UNKNOWN: Final = frozenset({2, 18, 19, 20, 21})


def refused(error: BaseException, what: str, url: str, trust: Trust | None) -> TlsRefused | None:
    """Return the error for a certificate that was refused, with its remedy; None when something else failed."""
    reason = _reason(error)
    if reason is None:
        return None
    said = f"{what}: the server's certificate was refused"
    match reason.verify_code:
        case code if code in {_HOST, _ADDRESS}:
            return _other_name(said, url, trust)
        case code if code == _EXPIRED:
            return TlsRefused(
                f"{said}: it has expired",
                advice="The server's administrator must renew it.  Check this machine's clock too: `date`.",
            )
        case code if code == _NOT_YET:
            return TlsRefused(
                f"{said}: it is not valid yet",
                advice="Check this machine's clock: `date`.  If it is right, the server's administrator must act.",
            )
        case code if code in _UNKNOWN:
            own = reason.verify_code in {18, 19}
            return TlsRefused(
                f"{said}: {'it is self-signed' if own else 'the authority that signed it is not known here'}",
                advice="Set `ca_file` of this server to the certificate of that authority "
                "(of the server itself, when it is self-signed), then `xnatsync doctor`.",
            )
    return TlsRefused(f"{said}: {names.words(reason.verify_message or str(reason))}")


def _other_name(said: str, url: str, trust: Trust | None) -> TlsRefused:
    host = urllib.parse.urlsplit(url).hostname or ""
    held, more = _second_look(url, trust)
    shown = ", ".join(held[:_NAMES_MAX]) + (" and others" if len(held) > _NAMES_MAX else "")
    if not held:
        also = _TIMES.get(more.verify_code if more is not None else 0, ("", ""))
        return TlsRefused(
            f"{said}: it is not one for {host}{also[0]}",
            advice=f"Write into `url` the name that the certificate is for; `ca_file` does not help here.{also[1]}",
        )
    return TlsRefused(
        f"{said}: it is for {shown}, and not for {host}",
        advice=f"Write the name in the certificate ({shown}) into `url` instead of {host}; or let the server's "
        f"administrator add {host} to the certificate.  `ca_file` does not help here.",
    )


def _second_look(url: str, trust: Trust | None) -> tuple[tuple[str, ...], ssl.SSLCertVerificationError | None]:
    """Ask for the certificate once more, from an authority we trust, and return its names; nothing is sent.

    What is wrong with it beside its names is returned as well: then it shows none.
    """
    parts = urllib.parse.urlsplit(url)
    if trust is None or not parts.hostname:
        return (), None
    try:
        context = trust()  # one of its own: other threads connect with the one that looks at names
        context.check_hostname = False
        with (
            socket.create_connection((parts.hostname, parts.port or 443), _LOOK_S) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as wrapped,
        ):
            held = wrapped.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return (), error
    except (OSError, ValueError, ConfigError):
        return (), None
    return tuple(dict.fromkeys(names.words(name) for name in _alternatives(held))), None


def _alternatives(held: Mapping[str, object]) -> Iterator[str]:
    listed = held.get("subjectAltName", ())
    for entry in listed if isinstance(listed, tuple) else ():
        if isinstance(entry, tuple) and len(entry) == 2 and entry[0] in {"DNS", "IP Address"}:
            yield str(entry[1])


def _reason(error: BaseException) -> ssl.SSLCertVerificationError | None:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
