"""Uploads to resources: what `resource upload` does, and `UploadService.upload_resource`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from xnatsync.core.errors import Usage
from xnatsync.disk.given import GivenFile, given_files
from xnatsync.services.base import BaseService
from xnatsync.services.places import Place, find_place
from xnatsync.services.progress import Teller, UploadProgress, UploadSummary
from xnatsync.services.resource_sending import Sender, Stored, Wish, refuse_none
from xnatsync.services.resource_unpacking import Unpacker, refuse_no_archive
from xnatsync.services.spelling import also

Callback = Callable[[UploadProgress], object] | None


class ResourceUploads(BaseService):
    """The upload of files and folders to a resource of a session or a scan."""

    @also(session="session_id", resource="resource_label", scan="scan_id")
    def upload_resource(
        self,
        session_id: str,
        resource_label: str,
        source_path: Path,
        scan_id: str | None = None,
        project: str | None = None,
        extract: bool = False,
        overwrite: bool = False,
        progress_callback: Callback = None,
    ) -> UploadSummary:
        """Store a file, or everything below a folder, and prove it file by file.

        Files keep their names; nothing that somebody packed is unpacked.  `extract`: the source is an archive, whose
        members are stored in its place.  What is there with another content stays, and is in `errors`, unless
        `overwrite` is asked for.  NotThere before the first byte when there is no such session, scan or project.
        """
        place = find_place(self.client, session_id, scan=scan_id, project=project)
        wish = Wish(resource_label, overwrite)
        return summary(self.store(place, [Path(source_path)], wish, extract=extract, callback=progress_callback))

    def store(
        self,
        place: Place,
        paths: Sequence[Path],
        wish: Wish,
        *,
        extract: bool = False,
        callback: Callback = None,
    ) -> Stored:
        """Store everything that was named in one resource, and have it in the diary."""
        files = given_files(paths)
        refuse_none(files)
        sender = Sender(self.client, place, wish, Teller(callback))
        if extract and not any(path.is_dir() for path in paths):
            if len(files) > 1:
                raise Usage("several files are to be unpacked", advice="Name one archive at a time.")
            refuse_no_archive(files[0].name)
            sender = unpacker = Unpacker(self.client, place, wish, Teller(callback), archive=files[0])
            files = unpacker.members()
            refuse_none(files)
        return self._stored(sender, place, files, wish)

    def store_files(self, place: Place, files: Sequence[GivenFile], wish: Wish, callback: Callback = None) -> Stored:
        """Store files that were chosen one by one, each under the name that it was given."""
        return self._stored(Sender(self.client, place, wish, Teller(callback)), place, files, wish)

    def _stored(self, sender: Sender, place: Place, files: Sequence[GivenFile], wish: Wish) -> Stored:
        if wish.dry_run:
            return sender.send(files)
        deed = f"store files in resource {wish.label} of {place.words}"
        with self._written_down("resource.stored", deed, files=len(files), overwrite=wish.overwrite) as told:
            done = sender.send(files)
            told |= {"sent": done.sent, "replaced": done.replaced, "same": done.same, "problems": len(done.errors)}
        return done


def summary(stored: Stored) -> UploadSummary:
    """Return a result as the documents describe it."""
    return UploadSummary(
        success=not stored.errors,
        total=stored.files,
        succeeded=stored.sent,
        failed=stored.files - stored.sent - stored.same,
        skipped=stored.same,
        total_bytes=stored.sent_bytes,
        duration=stored.seconds,
        session_id=stored.place.owner.id if stored.place.owner.session else "",
        errors=tuple(str(error) for error in stored.errors),
    )
