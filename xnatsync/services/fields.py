"""Setting fields and custom variables of a thing that is there, and seeing that they are set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.core.errors import Usage
from xnatsync.xnat import asked, edits, values
from xnatsync.xnat.asked import Item
from xnatsync.xnat.wire import Call

if TYPE_CHECKING:
    from xnatsync.services.base import BaseService


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing: `shows` is where it is read, `place` where it is written, both by accession ID."""

    service: BaseService
    shows: Call
    place: Call
    xsi_type: str

    def apply(self, wanted: Mapping[str, str], variables: Mapping[str, str]) -> None:
        """Set what differs, in one request; nothing is sent when everything is as it should be.

        Values that XNAT would keep escaped go as a document.  EffectMissing when the server does not show them after.
        """
        if not wanted and not variables:
            raise Usage("nothing was given to set", advice="Write NAME=VALUE.")
        for name, text in (*wanted.items(), *variables.items()):
            values.check_text(text)
            values.check_variable(name) if name in variables else values.check_field(name)
        if self._is_set(wanted, variables):
            return
        low = self.service.client.low
        if values.are_plain(wanted, variables):
            query = values.as_parameters(self.xsi_type, wanted, variables)
            call = Call(self.place.verb, self.place.method, self.place.path, self.place.what, query, self.place.due)
            self.service.do(call, seen=lambda: self._is_set(wanted, variables))
            return
        root = values.root_of(low.get(edits.as_xml(self.shows)))
        body = values.as_document(root, wanted, variables)
        self.service.do(self.place, body=body, seen=lambda: self._is_set(wanted, variables))

    def _is_set(self, wanted: Mapping[str, str], variables: Mapping[str, str]) -> bool:
        item = asked.item(self.service.client.low, self.shows)
        shown = variables_of(item)
        return all(
            values.is_same(text, values.shown(item.fields, item.children, name)) for name, text in wanted.items()
        ) and all(shown.get(name.lower(), shown.get(name)) == text for name, text in variables.items())


def variables_of(item: Item) -> dict[str, str]:
    """Return the custom variables of an item."""
    rows = item.children.get(values.VARIABLES, [])
    return {str(row.get("name")): str(row.get("field") or "") for row in rows if row.get("name")}


def is_plain(text: str) -> bool:
    """Return whether XNAT keeps a value as it is when it comes as a parameter."""
    return values.are_plain({"value": text}, {})
