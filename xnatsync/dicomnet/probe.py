"""Asks a receiver whether it is there, and what it would take: nothing is sent."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from xnatsync.core.store_plan import Pair, groups_of
from xnatsync.dicomnet.association import VERIFICATION, associate
from xnatsync.dicomnet.peer import Patience, Peer


@dataclass(frozen=True, slots=True)
class Probe:
    """What a receiver answered: the status of a C-ECHO (None: it does not offer that), and the pairs it refuses."""

    echo: int | None
    refused: frozenset[Pair]


def probe(peer: Peer, pairs: Iterable[Pair], patience: Patience, trusted: ssl.SSLContext | None) -> Probe:
    """Open an association for the C-ECHO, and one for each group of pairs; the errors of `associate` are raised."""
    with associate(peer, (VERIFICATION,), patience, trusted) as association:
        status = association.echo()
    refused: set[Pair] = set()
    for group in groups_of(pairs):
        with associate(peer, group, patience, trusted) as association:
            refused |= set(group) - association.agreed.contexts.keys()
    return Probe(status, frozenset(refused))
