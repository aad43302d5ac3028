"""The superuser's rights, given up for a moment: permissions bind this thread as they bind any account."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522
_RIGHTS = (1, 2)  # to write, and to read or enter, what the modes forbid (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)
CAN_BE_BOUND = sys.platform.startswith("linux")  # there the superuser can be; elsewhere tests of modes need another one


@contextmanager
def bound_by_modes() -> Iterator[None]:
    """Within it, what a mode forbids is forbidden; threads that begin within it are bound as well."""
    if os.geteuid() != 0:
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    head, data = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    if library.capget(head, data):
        raise OSError(ctypes.get_errno(), "the rights cannot be read")
    effective = data[0]
    data[0] = effective & ~sum(1 << right for right in _RIGHTS)
    if library.capset(head, data):
        raise OSError(ctypes.get_errno(), "the rights cannot be given up")
    try:
        yield
    finally:
        data[0] = effective
        library.capset(head, data)
