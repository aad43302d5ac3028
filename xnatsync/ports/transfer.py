"""The outside world, as transfers see it: two archives that are described, written to (one of them) and compared.

Like `ports.tree`, which it completes: every method that does something is a boundary, all failures are errors of ours.
Resources of reconstructions, assessors and records stand in `ResourceKey.scan` as the text of a `core.described.Part`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xnatsync.core.described import Described, Part
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import FileListing
from xnatsync.ports.tree import Server


@dataclass(frozen=True, slots=True)
class ProjectRules:
    """What of a project's or site's settings would interfere with a delivery; "" or None: not told to this account."""

    prearchive_code: str = ""  # 0 prearchive, 4 auto-archive, 5 auto-archive and overwrite (import.md §2)
    quarantine_code: str = ""
    site_script: bool | None = None  # anonymisation runs at receipt
    project_script: bool | None = None
    may_read: bool = False
    may_create: bool = False
    may_edit: bool = False
    types: frozenset[str] = frozenset()  # xsiTypes that the site knows; empty: not told
    free_bytes: int | None = None


class Readable(Protocol):
    """What is read of a source, a server or a tree on disk: nothing here changes anything there."""

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        """List a project with the sessions shared into it, as `Archive.inventory` does."""
        ...

    def describe(self, owner: Owner) -> Described:
        """Describe a project (itself), a subject (with its records) or a session (with all its parts).

        NotThere when it is gone; ReplyStrange when the document is cut or another item's.
        """
        ...

    def all_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        """List the files of all resources of some entities as `owner_files` does, those of their parts as well."""
        ...

    def object_uids(self, owner: Owner, resource: ResourceKey) -> Mapping[str, str]:
        """Return the SOP Instance UIDs of a scan's resource by file, as its catalogue tells them; none: it does not.

        What a file is called tells nothing (hierarchy.md §5.2, §9).
        """
        ...

    def part_stamps(self, project: str) -> Mapping[str, str]:
        """Say for each subject and session, by accession ID, a text that changes with what `inventory` does not show.

        That is: a record or an assessor is added, removed or changed, as one or two listings of the project tell.
        Those that have none may be missing.
        """
        ...

    def fetch_resources(
        self,
        owner: Owner,
        resources: Sequence[ResourceKey],
        *,
        sizes: Mapping[tuple[ResourceKey, str], int | None] | None = None,
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        """Stream every file of some resources, as `Archive.fetch_resources` does."""
        ...

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream one file from an offset on, as `Archive.fetch_file` does."""
        ...

    def metadata(self, owner: Owner) -> bytes:
        """Return the XML of a project, subject or session (§4.1)."""
        ...


class TransferServer(Server, Readable, Protocol):
    """One server of a transfer: what is read of a source, and what is written to a destination."""

    # --- reading, beyond what is Readable ------------------------------------------------------------------------

    def rules(self, project: str) -> ProjectRules:
        """Say what would interfere with a delivery into a project; NotThere when it is absent or hidden."""
        ...

    # --- writing: each is one request, sent once; OutcomeUnknown when no usable answer came ---------------------------

    def create_project(self, described: Described, project: str) -> None:
        """Create a project with these fields; PlaceTaken when it is there (hierarchy.md §4.3, §17)."""
        ...

    def create_subject(self, project: str, described: Described) -> str:
        """Create a subject with these fields under its label; return its accession ID; PlaceTaken when it is there."""
        ...

    def create_experiment(self, project: str, subject_id: str, described: Described) -> str:
        """Create a session (without its parts) or a record under its label; return its accession ID; PlaceTaken."""
        ...

    def create_part(self, session_id: str, described: Described) -> str:
        """Create a scan, reconstruction or assessor of a session; return its ID; PlaceTaken when it is there."""
        ...

    def overlay(self, owner: Owner, part: Part, described: Described, paths: frozenset[str]) -> None:
        """Set the fields at these paths to what the description says; all others stay (import.md §7.2).

        The thing is addressed by accession ID; its label, its ID and its type never change by this.
        """
        ...

    def set_custom(self, owner: Owner, part: Part, values: Mapping[str, str]) -> None:
        """Set values of custom forms (hierarchy.md §4.4)."""
        ...

    def share(self, owner: Owner, part: Part, project: str, label: str) -> None:
        """Show it in a second project under a label; one that is there already is no error (hierarchy.md §4.5)."""
        ...

    def create_resource(self, owner: Owner, part: Part, label: str, *, format_: str, content: str) -> None:
        """Create an empty resource with what the source says of it."""
        ...

    def catalogue(self, owner: Owner, part: Part, label: str) -> None:
        """Ask the server to read a resource from its disk again: counts, digests, UIDs of DICOM (import.md §7.1)."""
        ...
