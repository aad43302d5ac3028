"""Unpacks an answer in small pieces: a proxy may pack it once, and what comes out is counted before it is held."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

import httpx

PIECE_MAX: Final = 1 << 20  # bytes of one unpacked piece: a packed one may swell a thousandfold
ACCEPTED: Final = "gzip, deflate"  # what is asked for, and all that is unpacked

_GZIP: Final = 16 + zlib.MAX_WBITS


def packing(response: httpx.Response) -> str:
    """Return how an answer is packed, "" for not at all; DecodingError when it is packed several times or oddly."""
    said = [word.strip().lower() for word in response.headers.get_list("content-encoding", split_commas=True)]
    found = [word for word in said if word not in {"", "identity"}]
    if len(found) > 1:
        raise httpx.DecodingError(f"the answer is packed {len(found)} times")
    if found and found[0] not in {"gzip", "x-gzip", "deflate"}:
        raise httpx.DecodingError("the answer is packed in a way that was not asked for")
    return found[0] if found else ""


def unpacked(response: httpx.Response, packed: str) -> Iterator[bytes]:
    """Give the body in pieces of a bounded size; DecodingError when it is damaged or ends early."""
    if not packed:
        yield from response.iter_raw()
        return
    inflater = zlib.decompressobj(zlib.MAX_WBITS if packed == "deflate" else _GZIP)
    first = True
    for given in response.iter_raw():
        left = given
        if left and inflater.eof:
            raise httpx.DecodingError("something follows the end of the packed answer")
        while left and not inflater.eof:
            try:
                piece = inflater.decompress(left, PIECE_MAX)
            except zlib.error as error:
                if not (first and packed == "deflate"):
                    raise httpx.DecodingError("the packed answer is damaged") from error
                inflater, first = zlib.decompressobj(-zlib.MAX_WBITS), False  # some servers leave the head out
                continue
            first = False
            left = inflater.unconsumed_tail
            if piece:
                yield piece
        if inflater.unused_data:
            raise httpx.DecodingError("something follows the end of the packed answer")
    while piece := b"" if first else inflater.decompress(b"", PIECE_MAX):
        yield piece
    if not first and not inflater.eof:
        raise httpx.RemoteProtocolError("the packed answer ends in the middle")
