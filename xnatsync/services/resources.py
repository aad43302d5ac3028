"""The resources of projects, subjects, sessions and scans: list, make, fill, fetch, refresh and delete them."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xnatsync.core.errors import ContentDiffers, NotThere, PlaceTaken, RequestRefused, Usage
from xnatsync.core.nouns import ResourceHeld
from xnatsync.services.base import BaseService, one_at_a_time
from xnatsync.services.client import WORK_S
from xnatsync.services.models import Fields, Resource, ResourceFile
from xnatsync.services.places import Place, find_place, refuse_read_only
from xnatsync.services.resource_sending import Wish
from xnatsync.services.resource_uploads import Callback, ResourceUploads, summary
from xnatsync.services.spelling import also
from xnatsync.xnat import addresses, owner_files, resource_names, resources

if TYPE_CHECKING:
    from xnatsync.services.progress import DownloadSummary, UploadSummary

__all__ = ["ResourceService"]

_SPELLED: Final = {"session": "session_id", "scan": "scan_id", "resource": "resource_label"}


class ResourceService(BaseService):
    """Resources.  With None for the session, those of a project, or of a subject (`subject=`)."""

    @also(session="session_id", scan="scan_id")
    def list(
        self,
        session_id: str | None,
        scan_id: str | None = None,
        project: str | None = None,
        *,
        subject: str | None = None,
    ) -> list[Resource]:
        """List them by label; NotThere when the session, scan, subject or project is not to be seen."""
        place = find_place(self.client, session_id, scan=scan_id, project=project, subject=subject)
        return [_model(held, place) for held in resources.of_owner(self.client.low, place.owner, place.scan)]

    @also(**_SPELLED)
    def get(
        self,
        session_id: str | None,
        resource_label: str,
        scan_id: str | None = None,
        project: str | None = None,
        *,
        subject: str | None = None,
    ) -> Resource:
        """Return one; NotThere when there is none of that label."""
        place = find_place(self.client, session_id, scan=scan_id, project=project, subject=subject)
        return _model(self._held(place, resource_label), place)

    @also(**_SPELLED)
    def list_files(
        self,
        session_id: str | None,
        resource_label: str,
        scan_id: str | None = None,
        project: str | None = None,
        *,
        subject: str | None = None,
    ) -> builtins.list[ResourceFile]:
        """List its files by name; NotThere when there is no such resource."""
        place = find_place(self.client, session_id, scan=scan_id, project=project, subject=subject)
        address = _address(self._held(place, resource_label))
        found = owner_files.resource_files(self.client.low, place.owner, place.scan, address)
        return [
            ResourceFile(name=file.name, size=file.size, digest=file.digest or None)
            for file in sorted(found.files, key=lambda file: file.name)
        ]

    @also(**_SPELLED)
    @one_at_a_time
    def create(
        self,
        session_id: str | None,
        resource_label: str,
        scan_id: str | None = None,
        project: str | None = None,
        format: str | None = None,  # noqa: A002 - as documented
        content: str | None = None,
        *,
        subject: str | None = None,
    ) -> Resource:
        """Make an empty one; PlaceTaken when there is one of that label, which stays as it is."""
        place = find_place(self.client, session_id, scan=scan_id, project=project, subject=subject)
        resource_names.check_resource(place.key(resource_label))
        if self._find(place, resource_label) is not None:
            raise PlaceTaken(
                f"{place.words} has a resource {resource_label} already: it was left as it is",
                advice=f"`{place.listing}` lists what is there.",
            )
        refuse_read_only(self.client, place)
        described = Wish(resource_label, format=format, content=content).described
        with self._written_down("resource.made", f"make resource {resource_label} of {place.words}"):
            resources.create(
                self.client.low,
                place.owner,
                place.scan,
                resource_label,
                described,
                request_id=str(uuid.uuid4()),
                timeout_s=WORK_S,
            )
        return _model(self._held(place, resource_label), place)

    @also(**_SPELLED)
    def delete(
        self,
        session_id: str | None,
        resource_label: str,
        scan_id: str | None = None,
        project: str | None = None,
        remove_files: bool = True,
        *,
        subject: str | None = None,
    ) -> bool:
        """Delete one with all its files, and look that it is gone; NotThere when there is none.

        XNAT has no way to keep the files of a deleted resource: `remove_files=False` is refused.
        """
        if not remove_files:
            raise Usage(
                "XNAT deletes the files of a resource with it, always",
                advice="Download the resource first, or leave remove_files out.",
            )
        place = find_place(self.client, session_id, scan=scan_id, project=project, subject=subject)
        address = _address(self._held(place, resource_label))
        with self._written_down("resource.deleted", f"delete resource {resource_label} of {place.words}"):
            resources.delete(
                self.client.low, place.owner, place.scan, address, request_id=str(uuid.uuid4()), timeout_s=WORK_S
            )
            if self._find(place, resource_label) is not None:
                raise ContentDiffers(
                    f"the server says that resource {resource_label} of {place.words} is deleted, and lists it",
                    advice="See whether this account may delete in that project.",
                )
        return True

    @also(**_SPELLED)
    def refresh(
        self,
        session_id: str | None,
        resource_label: str,
        scan_id: str | None = None,
        project: str | None = None,
        options: Sequence[str] = ("append", "checksum", "populateStats"),
        *,
        subject: str | None = None,
    ) -> Resource:
        """Let the server look at its disk again, and return what it counts then.

        `append` lists files that lie there unlisted, `checksum` computes digests that are missing, `populateStats`
        counts, and `delete` takes files off the list that are not on its disk.
        """
        if strange := sorted(set(options) - set(resources.REFRESHES)):
            raise Usage(f"{strange[0]} is no option", advice=f"There are {', '.join(resources.REFRESHES)}.")
        if not options:
            raise Usage("no option was given", advice=f"There are {', '.join(resources.REFRESHES)}.")
        place = find_place(self.client, session_id, scan=scan_id, project=project, subject=subject)
        address = _address(self._held(place, resource_label))
        deed = f"refresh resource {resource_label} of {place.words}"
        with self._written_down("resource.refreshed", deed, options=[*options]):
            resources.refresh(
                self.client.low,
                place.owner,
                place.scan,
                address,
                options,
                request_id=str(uuid.uuid4()),
                timeout_s=WORK_S,
            )
        return _model(self._held(place, resource_label), place)

    @also(**_SPELLED)
    def upload_file(
        self,
        session_id: str | None,
        resource_label: str,
        file_path: Path,
        scan_id: str | None = None,
        project: str | None = None,
        extract: bool = False,
        overwrite: bool = False,
        *,
        subject: str | None = None,
    ) -> Fields:
        """Store one file; see `upload`."""
        done = self.upload(
            session_id,
            resource_label,
            [file_path],
            scan=scan_id,
            project=project,
            subject=subject,
            extract=extract,
            overwrite=overwrite,
        )
        return _fields(done, resource_label)

    @also(**_SPELLED)
    def upload_directory(
        self,
        session_id: str | None,
        resource_label: str,
        directory_path: Path,
        scan_id: str | None = None,
        project: str | None = None,
        overwrite: bool = False,
        *,
        subject: str | None = None,
    ) -> Fields:
        """Store everything below a folder, under its path in it; see `upload`."""
        if not Path(directory_path).is_dir():
            raise Usage(f"{directory_path} is no folder", advice="Give a folder, or use upload_file().")
        done = self.upload(
            session_id,
            resource_label,
            [directory_path],
            scan=scan_id,
            project=project,
            subject=subject,
            overwrite=overwrite,
        )
        return _fields(done, resource_label)

    def upload(
        self,
        session: str | None,
        resource: str,
        files: Sequence[Path | str],
        *,
        project: str | None = None,
        subject: str | None = None,
        scan: str | None = None,
        extract: bool = False,
        overwrite: bool = False,
        format: str | None = None,  # noqa: A002 - as XNAT calls it
        content: str | None = None,
        progress_callback: Callback = None,
    ) -> UploadSummary:
        """Store files and folders, streamed, and prove every file by a new listing.

        Nothing that somebody packed is unpacked, unless `extract` is given with one archive.  What is there already is
        not sent again; another content under the same name stays, and is in `errors`, unless `overwrite` is given.
        """
        place = find_place(self.client, session, scan=scan, project=project, subject=subject)
        wish = Wish(resource, overwrite, format, content)
        paths = [Path(file) for file in files]
        uploads = ResourceUploads(self.client)
        return summary(uploads.store(place, paths, wish, extract=extract, callback=progress_callback))

    @also(**_SPELLED)
    def download(
        self,
        session_id: str,
        resource_label: str,
        dest: Path | str,
        scan_id: str | None = None,
        project: str | None = None,
        extract: bool = False,
    ) -> DownloadSummary:
        """Fetch one into a folder, as `LABEL.zip`, or with `extract` as files; see `DownloadService`."""
        from xnatsync.services.downloads import DownloadService

        return DownloadService(self.client).download_resource(
            session_id, resource_label, Path(dest), scan_id=scan_id, project=project, extract=extract
        )

    def _find(self, place: Place, label: str) -> ResourceHeld | None:
        held = resources.of_owner(self.client.low, place.owner, place.scan)
        return next((each for each in held if each.label == label), None)

    def _held(self, place: Place, label: str) -> ResourceHeld:
        if (found := self._find(place, label)) is not None:
            return found
        raise NotThere(
            f"{place.words} has no resource {label}", advice=f"`{place.listing}` lists the resources that are there."
        )


def _address(held: ResourceHeld) -> str:
    """Return what an address calls it: a label that no address can say is named by its number (hierarchy.md §1.6)."""
    address = held.label if addresses.is_plain(held.label) else held.id
    if not address:
        raise RequestRefused("no address can say the label of this resource", advice="Rename it on the server.")
    return address


def _model(held: ResourceHeld, place: Place) -> Resource:
    return Resource(
        label=held.label,
        id=held.id or None,
        format=held.format,
        content=held.content,
        category=held.category,
        scan=place.scan or None,
        file_count=held.files,
        file_size=held.size,
    )


def _fields(done: UploadSummary, label: str) -> Fields:
    return Fields(
        success=done.success,
        resource=label,
        files=done.total,
        uploaded=done.succeeded,
        skipped=done.skipped,
        failed=done.failed,
        bytes=done.total_bytes,
        errors=[*done.errors],
    )
