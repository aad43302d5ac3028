"""What became of the files of an item: every one is in exactly one of these numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.core.manifest import Doubt, Kind
from xnatsync.core.wording import counted

if TYPE_CHECKING:
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.ledger.rows import ReceiptRow


@dataclass(frozen=True, slots=True)
class Account:
    """How many files of an item are what; `odd` objects are among the objects."""

    objects: int = 0  # they travel to their session
    duplicates: int = 0  # the same bytes as one of the objects
    attached: int = 0  # they are stored beside the session
    left_out: int = 0  # by the selection of the route
    harmless: int = 0  # known to be no objects, or ignored as the route says
    accepted: int = 0  # not delivered, as a person decided
    in_doubt: int = 0  # they hold the item
    odd: int = 0

    @property
    def files(self) -> int:
        """Give the number of all files."""
        travelling = self.objects + self.duplicates + self.attached
        return travelling + self.left_out + self.harmless + self.accepted + self.in_doubt

    @property
    def delivered(self) -> int:
        """Give the number of those that are delivered, or will be."""
        return self.objects + self.duplicates + self.attached

    @property
    def is_short(self) -> bool:
        """Tell whether something of the item is not delivered, that might have had to be."""
        return bool(self.in_doubt or self.accepted)


def account_of(ledger: Ledger, item_id: int) -> Account:
    """Count the files of an item by what became of them: by indices, as most are objects."""
    counts = {kind: count for kind, (count, _) in ledger.file_counts(item_id).items()}
    aside: Counter[str] = Counter()
    for file in ledger.aside(item_id):
        if file.kind == Kind.OTHER:
            accepted = "accepted" if file.doubt == Doubt.ACCEPTED else "harmless"
            aside["attached" if file.unit_id is not None else accepted] += 1
    return Account(
        objects=counts.get(Kind.DICOM, 0),
        duplicates=counts.get(Kind.DUPLICATE, 0),
        attached=aside["attached"],
        left_out=sum(ledger.left_out(item_id).values()),
        harmless=aside["harmless"],
        accepted=aside["accepted"],
        in_doubt=counts.get(Kind.BROKEN, 0),
        odd=len(ledger.delivered_odd(item_id)),
    )


def held_words(receipt: ReceiptRow, account: Account) -> str:
    """Say how much is proven; not that it is all, where it is not all that was dropped."""
    if account.is_short:
        return f"{counted(receipt.held, 'object')}, of an item of {counted(account.files, 'file')},"
    return f"{receipt.held} of {counted(receipt.expected, 'object')}"


def account_words(account: Account) -> str:
    """Say how many files of an item are delivered, where some are not."""
    if account.delivered == account.files:
        return ""
    parts = {
        "in doubt": account.in_doubt,
        "accepted as not delivered": account.accepted,
        "left out": account.left_out,
        "no objects": account.harmless,
    }
    rest = ", ".join(f"{count} {words}" for words, count in parts.items() if count)
    return f"{account.delivered} of {counted(account.files, 'file')} to deliver, {rest}"
