"""The project's own anonymisation script, run at archive over the files in the prearchive (import.md §2.9)."""

from __future__ import annotations

from xnatsync.sandbox.model import anonymise, dicomstream, received
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.dicomhead import STOP
from xnatsync.sandbox.model.received import Content, Received, Seen
from xnatsync.sandbox.model.site import Site

_PART = ".anonymised"


def config_key(project: str) -> str:
    """Return where a project's script is kept among the configurations."""
    return f"{project}/anon/script"


def stored_script(site: Site, project: str) -> str:
    """Return the script a project has, enabled or not; "" when it never got one."""
    return str(site.record.configs.get(config_key(project), {}).get("contents", ""))


def store(site: Site, project: str, script: str, login: str) -> None:
    """Keep a script where the config service shows it: tool `anon`, path `script`; the site's has no project."""
    before = site.record.configs.get(config_key(project))
    known = before.get("version") if before is not None else 0
    document: dict[str, object] = {
        "tool": "anon",
        "path": "script",
        "project": project,
        "user": login,
        "create_date": site.now_text(),
        "reason": "",
        "contents": script,
        "unversioned": False,
        "version": (known if isinstance(known, int) else 0) + 1,
        "status": "enabled",
        "history": [],
        "id": site.next_key(),
    }
    site.record.configs[config_key(project)] = document


def script_of(site: Site, project: str) -> str:
    """Return the script to run for a project; "" when it is not enabled."""
    found = site.projects.get(project)
    if found is None or not found.anonymise:
        return ""
    return stored_script(site, project) or anonymise.DEFAULT_PROJECT_SCRIPT


def script_number(site: Site, project: str) -> str:
    """Return the `id` that the config service shows for a script in force; the site's is that of project ""."""
    return str(site.record.configs.get(config_key(project), {}).get("id", 0))


def apply(site: Site, project: str, folder: str, content: Content, script: str, names: anonymise.Names) -> None:
    """Run a script over all objects of a session; those it rejects are removed."""
    script_id = script_number(site, project)
    for item in list(content.objects.values()):
        try:
            _rewrite(site, folder, content, item, script, names, script_id)
        except anonymise.RejectedError:
            site.store.delete(f"{folder}/{item.path}")
            with site.lock:
                content.forget(item.path)
        except anonymise.ScriptError as error:
            raise ModelError(500, f"Anonymization failed: {error}") from error
    content.session = None
    if not content.objects:
        raise ModelError(500, "Empty sessions cannot be archived.")


def _rewrite(
    site: Site, folder: str, content: Content, item: Received, script: str, names: anonymise.Names, script_id: str
) -> None:
    store, path = site.store, f"{folder}/{item.path}"
    opened = dicomstream.opened(received.chunks(store, path), max(STOP, anonymise.reach(script)))
    opened, changes = anonymise.apply(script, opened, names, script_id)
    size, digest = store.write(f"{path}{_PART}", opened.written(changes), digest=site.settings.flag("checksums"))
    store.delete(path)
    store.move(f"{path}{_PART}", path)
    seen = Seen(opened.head, changes)
    with site.lock:
        content.note(received.received(seen, item.folder, item.name, size, digest), seen)
