"""A DICOM receiver as XNAT has one: what a modality stores goes through the importer (import.md §5, §12.2).

No parameter goes along on this way: project, subject and session come from the headers, by the site's rules.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined] # made at run time

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.importer import Importer
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.scp.accepted import SYNTAXES, classes

if TYPE_CHECKING:
    from pynetdicom.transport import ThreadedAssociationServer

TITLE: Final = "XNAT"
STORED, CANNOT, NO_ROOM = 0x0000, 0xC000, 0xA700
_ASSOCIATIONS: Final = 64
_IDLE_S, _ANSWER_S, _LEAVE_S = 120, 60, 2.0
_KEPT: Final = 20_000  # lines of the log
_PIECE: Final = 1 << 20
_MAKER: Final = "2.25.308137917561478120377436311547281846325"

logging.getLogger("pynetdicom").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Received:
    """One answer that was given."""

    at: float
    calling: str
    sop_uid: str
    status: int


class Receiver:
    """A receiver on 127.0.0.1 of a site; begins in `with`, and `port` is known then.  `title` is checked as XNAT does.

    An object is held in memory while it arrives; one that an abort cuts off is forgotten, and leaves nothing.
    """

    def __init__(self, site: Site, port: int = 0, title: str = TITLE, *, tls: ssl.SSLContext | None = None) -> None:
        self.site, self.title, self.port = site, title, port
        self.log: deque[Received] = deque(maxlen=_KEPT)
        self._tls = tls
        self._server: ThreadedAssociationServer | None = None
        self._entity = _entity(title)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._server = server = self._entity.start_server(
            ("127.0.0.1", self.port),
            block=False,
            ssl_context=self._tls,
            evt_handlers=[(evt.EVT_C_STORE, self._store), (evt.EVT_C_ECHO, lambda event: STORED)],
        )
        assert server is not None  # it does not block
        self.port = int(server.server_address[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; associations that are open get a moment to end, and are aborted then."""
        if self._server is None:
            return
        self._server.shutdown()
        until = time.monotonic() + _LEAVE_S
        while self._server.active_associations and time.monotonic() < until:
            time.sleep(0.02)
        for association in self._server.active_associations:
            if association.is_established:
                association.abort()
        self._server.server_close()

    def _store(self, event: evt.Event) -> int:
        request = event.request
        assert isinstance(request, C_STORE)
        status = self._received(event)
        uid = str(request.AffectedSOPInstanceUID or "")
        self.log.append(Received(self.site.clock(), str(event.assoc.requestor.ae_title), uid, status))
        return status

    def _received(self, event: evt.Event) -> int:
        """Import one object; the status is XNAT's for what came of it (import.md §5)."""
        site = self.site
        user = site.accounts.get(site.settings.text("receivedFileUser"))
        if user is None:
            return NO_ROOM
        try:
            Importer(site, user, {"rename": "true"}).receive("", _object(event))
        except ModelError as error:
            return CANNOT if error.status < 500 else NO_ROOM
        except OSError:
            return NO_ROOM
        return STORED  # also for what a filter or a script did not want


def _entity(title: str) -> AE:
    entity = AE(title)
    entity.require_called_aet = True
    entity.maximum_associations = _ASSOCIATIONS
    entity.acse_timeout = entity.dimse_timeout = _ANSWER_S
    entity.network_timeout = _IDLE_S
    entity.add_supported_context(Verification)
    syntaxes = list(SYNTAXES)
    for uid in classes():
        entity.add_supported_context(uid, syntaxes)
    return entity


def _object(event: evt.Event) -> Iterator[bytes]:
    """Give the object as a file: the meta information is made here, the data set stays as it was sent."""
    request = event.request
    assert isinstance(request, C_STORE)
    yield _meta(
        str(request.AffectedSOPClassUID),
        str(request.AffectedSOPInstanceUID),
        str(event.context.transfer_syntax),
        str(event.assoc.requestor.ae_title),
    )
    if request.DataSet is None:
        return
    whole = request.DataSet.getbuffer()
    for at in range(0, len(whole), _PIECE):
        yield bytes(whole[at : at + _PIECE])


def _meta(sop_class: str, sop_uid: str, syntax: str, sender: str) -> bytes:
    elements = b"".join(
        (
            b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\0\x01",
            _element(0x02, b"UI", sop_class),
            _element(0x03, b"UI", sop_uid),
            _element(0x10, b"UI", syntax),
            _element(0x12, b"UI", _MAKER),
            _element(0x16, b"AE", sender),
        )
    )
    return b"\0" * 128 + b"DICM\x02\0\0\0UL\x04\0" + len(elements).to_bytes(4, "little") + elements


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return b"\x02\x00" + number.to_bytes(2, "little") + vr + len(value).to_bytes(2, "little") + value
