"""Files of a subject's records, which are experiments of their own, fetched and stored as those of the subject."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from xnatsync.core.described import Part, ThingKind
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.xnat import resource_download, thing_changes
from xnatsync.xnat.client import Client
from xnatsync.xnat.resource_download import Fetched, Sizes


def place(client: Client, owner: Owner, resource: ResourceKey) -> tuple[Owner, ResourceKey]:
    """Return where a resource is addressed: under its record, or as it is."""
    if not _is_of_record(owner, resource):
        return owner, resource
    found, scan = thing_changes.place_of(client, owner, Part.parse(resource.scan))
    return found, ResourceKey(scan, resource.label)


def fetch_resources(
    client: Client, owner: Owner, resources: Sequence[ResourceKey], sizes: Sizes | None = None
) -> Generator[Fetched, None, None]:
    """Stream every file of some resources, as `resource_download.fetch_resources` does."""
    plain = [key for key in resources if not _is_of_record(owner, key)]
    if plain:
        with closing(resource_download.fetch_resources(client, owner, plain, sizes)) as files:
            yield from files
    for key in resources:
        if _is_of_record(owner, key):
            there, own = place(client, owner, key)
            listed = {(own, name): size for (of, name), size in (sizes or {}).items() if of == key}
            with closing(
                resource_download.fetch_resources(client, there, [own], listed if sizes is not None else None)
            ) as files:
                yield from ((key, name, content) for _, name, content in files)


def _is_of_record(owner: Owner, resource: ResourceKey) -> bool:
    is_part = "/" in resource.scan
    return is_part and owner.kind is OwnerKind.SUBJECT and Part.parse(resource.scan).kind is ThingKind.RECORD
