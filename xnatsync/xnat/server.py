"""One XNAT server, seen as one user: the implementation of the port `Xnat`.

Nothing here but the wiring; the pages of XNAT's behaviour each part follows are named there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from xnatsync import __version__
from xnatsync.core.described import Described, Part
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey
from xnatsync.core.manifest import ManifestFile
from xnatsync.core.remote import (
    FileListing,
    ImportReply,
    ImportTarget,
    PrearchiveSeen,
    ProjectSeen,
    ServerAbout,
    SessionSeen,
)
from xnatsync.ports.transfer import ProjectRules
from xnatsync.ports.tree import SmallFile
from xnatsync.xnat import (
    about,
    inventory,
    listing,
    metadata,
    owner_files,
    part_files,
    part_transport,
    prearchive,
    project_rules,
    replies,
    resource_download,
    resource_upload,
    thing_changes,
    things,
    upload,
    wire,
)
from xnatsync.xnat.bandwidth import Meter
from xnatsync.xnat.client import Client, Retries
from xnatsync.xnat.login import Kept
from xnatsync.xnat.pace import Timeouts

USER_AGENT = f"xnatsync/{__version__}"  # without "Mozilla": browsers are sent to a login page (hierarchy.md §2.2)


class XnatServer:
    """A server.  Thread-safe; one connection pool and one login for all threads; `close` logs out."""

    def __init__(
        self,
        url: str,
        user: str,
        password: str | None,
        *,
        server_name: str,
        kept: Kept | None = None,
        verify: bool | str | Path = True,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        stop: Callable[[], bool] = lambda: False,
        user_agent: str = USER_AGENT,
        pool: int = 16,
        meter: Meter | None = None,
    ) -> None:
        self.name = server_name
        self._timeouts = timeouts or Timeouts()
        self.client = Client(
            url,
            user,
            password,
            kept=kept,
            verify=verify,
            timeouts=self._timeouts,
            retries=retries or Retries(),
            stop=stop,
            user_agent=user_agent,
            pool=pool,
            meter=meter,
        )

    def __repr__(self) -> str:
        """Name the server and nothing else."""
        return f"XnatServer({self.name!r})"

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log out."""
        self.close()

    def close(self) -> None:
        """Log out and close the connections; may be called twice."""
        self.client.close()

    def whoami(self) -> str:
        """Return the user name the server knows us by (hierarchy.md §2.1)."""
        return replies.user(self.client.get(wire.auth()))

    def about(self) -> ServerAbout:
        """Return the server's version and its clock (hierarchy.md §2.3)."""
        return about.about(self.client)

    def project(self, project: str) -> ProjectSeen | None:
        """Look a project up; None when it is absent or hidden from us."""
        return listing.project(self.client, project)

    def may_edit(self, project: str) -> bool | None:
        """Return whether we may edit a project; None when the server does not say."""
        return listing.may_edit(self.client, project)

    def site_setting(self, name: str) -> str | None:
        """Return a setting of the site as text; None when the server does not say."""
        return listing.site_setting(self.client, name)

    def sessions(
        self, project: str, *, label: str | None = None, study_uid: str | None = None
    ) -> tuple[SessionSeen, ...]:
        """List imaging sessions of a project, shared ones included, by label or by Study Instance UID."""
        return listing.sessions(self.client, project, label=label, study_uid=study_uid)

    def session_files(self, session_id: str) -> FileListing:
        """List every file of every scan of a session, with SOP Instance UIDs."""
        return listing.session_files(self.client, session_id)

    def resource_files(self, session_id: str, resource: str) -> FileListing:
        """List the files of a session-level resource; none when there is no such resource."""
        return listing.resource_files(self.client, session_id, resource)

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        """List a project's prearchive rows."""
        return prearchive.rows(self.client, project)

    def prearchive_files(self, uri: str) -> FileListing:
        """List the files of a built prearchive session."""
        return prearchive.files(self.client, uri)

    def prearchive_log(self, uri: str) -> str:
        """Return the newest log entry of a prearchive session, "" when there is none."""
        return prearchive.log(self.client, uri)

    def import_zip(
        self,
        target: ImportTarget,
        members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]],
        *,
        size: int,
        request_id: str,
    ) -> ImportReply:
        """Upload one streamed zip into the prearchive without letting the server build or archive it."""
        return upload.import_zip(
            self.client, target, members, size=size, request_id=request_id, timeout_s=self._timeouts.import_s
        )

    def import_tar(
        self,
        target: ImportTarget,
        members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]],
        *,
        size: int,
        request_id: str,
    ) -> ImportReply:
        """Upload one streamed tar, as `import_zip` does."""
        return upload.import_tar(
            self.client, target, members, size=size, request_id=request_id, timeout_s=self._timeouts.import_s
        )

    def import_object(
        self, target: ImportTarget, name: str, file: ManifestFile, content: Iterator[bytes], *, request_id: str
    ) -> ImportReply:
        """Upload one object by itself, as `import_zip` does."""
        return upload.import_object(
            self.client, target, name, file, content, request_id=request_id, timeout_s=self._timeouts.import_s
        )

    def build(self, uri: str, *, request_id: str) -> None:
        """Let the server build a prearchive session."""
        prearchive.build(self.client, uri, request_id=request_id, timeout_s=self._timeouts.work_s)

    def commit(self, uri: str, *, request_id: str) -> str:
        """Archive a prearchive session; return the archive URI, "" when it stayed."""
        return prearchive.commit(self.client, uri, request_id=request_id, timeout_s=self._timeouts.work_s)

    def delete_prearchive(self, uri: str, *, request_id: str) -> None:
        """Delete a prearchive session that we made."""
        prearchive.delete(self.client, uri, request_id=request_id, timeout_s=self._timeouts.work_s)

    def fetch_scans(self, session_id: str, scans: Sequence[str]) -> Iterator[tuple[str, str, str, Iterator[bytes]]]:
        """Stream every file of the scans back: (scan, resource, name, content), each to be read in turn."""
        from xnatsync.xnat import download  # with what it unpacks zips, which no proof by names needs

        return download.fetch_scans(self.client, session_id, scans)

    def put_file(
        self,
        session_id: str,
        resource: str,
        name: str,
        content: Iterator[bytes],
        *,
        size: int,
        request_id: str,
        overwrite: bool = False,
    ) -> None:
        """Store one file in a session-level resource; never over one that is there unless that is asked for."""
        upload.put_file(
            self.client,
            session_id,
            resource,
            name,
            content,
            size=size,
            overwrite=overwrite,
            request_id=request_id,
            timeout_s=self._timeouts.import_s,
        )

    # --- the port Archive ----------------------------------------------------------------------------------------

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        """List a project with the sessions shared into it in a few requests, whatever its size."""
        return inventory.inventory(self.client, project, kinds)

    def owner_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        """List the files of all resources of some owners, batched; an owner that is gone is missing."""
        return owner_files.owner_files(self.client, owners)

    def fetch_resources(
        self,
        owner: Owner,
        resources: Sequence[ResourceKey],
        *,
        sizes: Mapping[tuple[ResourceKey, str], int | None] | None = None,
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        """Stream every file of some resources as few zips: (resource, name, content), each to be read in turn."""
        return part_transport.fetch_resources(self.client, owner, resources, sizes)

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream one file from an offset on."""
        owner, resource = part_transport.place(self.client, owner, resource)
        return resource_download.fetch_file(self.client, owner, resource, name, offset=offset)

    def put_resource_file(
        self,
        owner: Owner,
        resource: ResourceKey,
        name: str,
        content: Iterator[bytes],
        *,
        size: int,
        overwrite: bool,
        request_id: str,
    ) -> None:
        """Store one file byte-exact; PlaceTaken when it is there and `overwrite` is not asked for."""
        owner, resource = part_transport.place(self.client, owner, resource)
        resource_upload.put_resource_file(
            self.client,
            owner,
            resource,
            name,
            content,
            size=size,
            overwrite=overwrite,
            request_id=request_id,
            timeout_s=self._timeouts.import_s,
        )

    def put_resource_files(
        self,
        owner: Owner,
        resource: ResourceKey,
        files: Sequence[SmallFile],
        *,
        overwrite: bool,
        request_id: str,
    ) -> frozenset[str]:
        """Store small files as one zip that the server unpacks; return those that were there and stayed."""
        owner, resource = part_transport.place(self.client, owner, resource)
        return resource_upload.put_resource_files(
            self.client,
            owner,
            resource,
            files,
            overwrite=overwrite,
            request_id=request_id,
            timeout_s=self._timeouts.import_s,
        )

    def metadata(self, owner: Owner) -> bytes:
        """Return the XML of a project, subject or session."""
        return metadata.metadata(self.client, owner)

    # --- the port TransferServer ---------------------------------------------------------------------------------

    def describe(self, owner: Owner) -> Described:
        """Describe a project, a subject with its records, or a session with its parts."""
        return things.describe(self.client, owner)

    def all_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        """List the files of some entities and of all their parts; an entity that is gone is missing."""
        return part_files.all_files(self.client, owners)

    def object_uids(self, owner: Owner, resource: ResourceKey) -> Mapping[str, str]:
        """Return the SOP Instance UIDs of a scan's resource by file, as its catalogue tells them."""
        return part_files.object_uids(self.client, owner, resource)

    def part_stamps(self, project: str) -> Mapping[str, str]:
        """Return a text for each subject and session that changes when a record or an assessor of it does."""
        return things.part_stamps(self.client, project)

    def create_project(self, described: Described, project: str) -> None:
        """Make a project with these fields; PlaceTaken when it is there."""
        thing_changes.create_project(self.client, described, project)

    def create_subject(self, project: str, described: Described) -> str:
        """Make a subject under its label; return its accession ID."""
        return thing_changes.create_subject(self.client, project, described)

    def create_experiment(self, project: str, subject_id: str, described: Described) -> str:
        """Make a session without its parts, or a record, under its label; return its accession ID."""
        return thing_changes.create_experiment(self.client, project, subject_id, described)

    def create_part(self, session_id: str, described: Described) -> str:
        """Make a scan, a reconstruction or an assessor of a session; return its ID."""
        return thing_changes.create_part(self.client, session_id, described)

    def overlay(self, owner: Owner, part: Part, described: Described, paths: frozenset[str]) -> None:
        """Set the fields at these paths of what is there; all others stay."""
        thing_changes.overlay(self.client, owner, part, described, paths)

    def set_custom(self, owner: Owner, part: Part, values: Mapping[str, str]) -> None:
        """Set values of custom forms; the others stay."""
        thing_changes.set_custom(self.client, owner, part, values)

    def share(self, owner: Owner, part: Part, project: str, label: str) -> None:
        """Show a thing in a second project; one that is there already is no error."""
        thing_changes.share(self.client, owner, part, project, label)

    def create_resource(self, owner: Owner, part: Part, label: str, *, format_: str, content: str) -> None:
        """Make an empty resource with its format and content."""
        thing_changes.create_resource(self.client, owner, part, label, format_=format_, content=content)

    def catalogue(self, owner: Owner, part: Part, label: str) -> None:
        """Let the server read a resource from its disk again: counts, digests, UIDs of DICOM."""
        thing_changes.catalogue(self.client, owner, part, label)

    def rules(self, project: str) -> ProjectRules:
        """Say what would interfere with a delivery into a project."""
        return project_rules.rules(self.client, project)
