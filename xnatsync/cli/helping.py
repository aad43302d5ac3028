"""`help`, and the help that is shown where no command was named."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any

import typer

from xnatsync.cli.change_examples import CHANGE_EXAMPLES
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage

_ALIKE = 0.75  # of 1: below, a suggestion would mislead
_ABSENT = {  # commands that somebody may look for here, and where they are
    "transfer": "`xnatsync project transfer` copies a project to another server",
}


EXAMPLES = {
    "demo": ("demo", "demo ~/some/dicom --keep"),
    "sync": ("sync", "sync prisma --settle 0s", "sync nightly --recheck"),
    "run": ("run", "run --check-config"),
    "pause": ("pause", "pause nightly"),
    "resume": ("resume", "resume nightly"),
    "service install": ("service install --dry-run", "service install --system --account xnatsync"),
    "service uninstall": ("service uninstall",),
    "service status": ("service status",),
    "metrics": ("metrics", "metrics --to /var/lib/node_exporter/xnatsync.prom"),
    "notify test": ("notify test", "notify test ops-mail"),
    "notify list": ("notify list", "notify list -o csv"),
    "plan": ("plan", "plan prisma -o json"),
    "verify": ("verify", "verify nightly --sample 1/7", "verify prisma --repair"),
    "status": ("status", "status prisma"),
    "history": ("history --limit 100",),
    "why": ("why 12", "why /data/incoming/exam_42", "why S1_MR"),
    "retry": ("retry 12", "retry --all"),
    "prune": ("prune --dry-run", "prune prisma --older-than 30d --yes"),
    "accept": ("accept 12",),
    "assign": ("assign 12 -P NEURO", "assign u7 -P NEURO -S NC07 --session NC07_MR1"),
    "dismiss": ("dismiss 12", "dismiss 12 --prearchive --yes"),
    "mirror ls": ("mirror ls nightly NEURO --at yesterday",),
    "mirror diff": ('mirror diff nightly "2 days ago" now',),
    "mirror restore": ("mirror restore nightly NEURO/S1 --at 2026-03-01 --to ~/restored",),
    "mirror manifest": ("mirror manifest nightly --file tree.csv",),
    "config check": ("config check", "config check --config other.toml"),
    "config show": ("config show",),
    "config init": ("config init", "config init --url https://xnat.example.org --user me -P NEURO --folder /data/in"),
    "config add-profile": ("config add-profile prod --url https://xnat.example.org --user me",),
    "config use-context": ("config use-context prod",),
    "config current-context": ("config current-context",),
    "config remove-profile": ("config remove-profile old --dry-run",),
    "config set-password": ("config set-password prod",),
    "config import-xnatctl": ("config import-xnatctl --dry-run", "config import-xnatctl ~/xnatctl.yaml"),
    "health ping": ("health ping -p prod",),
    "completion": ("completion bash",),
    "doctor": ("doctor",),
    "sandbox": ("sandbox --root /tmp/xnat --port 8080",),
    "whoami": ("whoami", "whoami -p prod"),
    "auth login": ("auth login -p prod", "auth login -p prod --username me"),
    "auth logout": ("auth logout -p prod", "auth logout --all"),
    "auth status": ("auth status",),
    "auth test": ("auth test -p staging",),
    "project list": ("project list",),
    "project show": ("project show NEURO",),
    "project transfer": (
        "project transfer -p prod -P NEURO --dest-profile staging --dest-project NEURO_DEV --dry-run",
        "project transfer -p prod -P NEURO --dest-profile staging --dest-project NEURO_DEV --config t.yaml -y",
        "project transfer -p prod --dest-profile staging --plan plan.json --yes",
        "project transfer -p prod -P NEURO --to-folder /media/disk/NEURO --yes",
        "project transfer --from-folder /media/disk/NEURO --dest-profile staging --dest-project NEURO_DEV --yes",
    ),
    "project transfer-check": (
        "project transfer-check -p prod -P NEURO --dest-profile staging --dest-project NEURO_DEV",
    ),
    "project transfer-status": ("project transfer-status -P NEURO",),
    "project transfer-history": ("project transfer-history -P NEURO -o json",),
    "project transfer-init": ("project transfer-init -P NEURO --dest-project NEURO_DEV -f transfer.yaml",),
    "certificate check": ("certificate check NEURO_DEV-2026-11-28-0c3f6ab1.html",),
    "certificate list": ("certificate list",),
    "certificate write": ("certificate write transfer:prod/NEURO,staging/NEURO_DEV",),
    "subject list": ("subject list -P NEURO",),
    "session list": ("session list -P NEURO", "session list -P NEURO -q"),
    "session show": ("session show -P NEURO -E S1_MR",),
    "session download": ("session download -E XNAT_E00001 --out ~/data",),
    "session upload-dicom": (
        "session upload-dicom ~/study --host xnat.example.org --port 8104 --called-aet XNAT",
        "session upload-dicom ~/study --host xnat.example.org --called-aet XNAT --dry-run",
    ),
    "session upload-exam": ("session upload-exam ~/exam -P NEURO -S SUB01 -E SUB01_MR1 --dry-run",),
    "session upload": (
        "session upload ~/exam -P NEURO -S SUB01 -E SUB01_MR1",
        "session upload exam.zip -P NEURO -S SUB01 -E SUB01_MR1 --prearchive --dry-run",
    ),
    "scan list": ("scan list -E XNAT_E00001",),
    "scan download": (
        "scan download -E XNAT_E00001 -s 1,2 --out ~/data",
        "scan download -E XNAT_E00001 -s '*' --out .",
    ),
    "resource list": ("resource list XNAT_E00001", "resource list -P NEURO -S S1"),
    "resource show": ("resource show XNAT_E00001 NIFTI",),
    "resource upload": (
        "resource upload XNAT_E00001 BIDS ./bids_dataset",
        "resource upload XNAT_E00001 SNAPSHOTS ./qc_pngs --scan 1",
        "resource upload -P NEURO PROTOCOL ./protocol.pdf",
    ),
    "resource delete": ("resource delete XNAT_E00001 QC --dry-run",),
    "resource refresh": ("resource refresh XNAT_E00001 QC --options checksum",),
    "resource download": ("resource download XNAT_E00001 NIFTI --file nifti.zip",),
    "prearchive list": ("prearchive list", "prearchive list --project NEURO"),
    "prearchive show": ("prearchive show NEURO 20260115_120000123 S1_MR",),
    "prearchive scans": ("prearchive scans NEURO 20260115_120000123 S1_MR",),
    "prearchive archive": (
        "prearchive archive NEURO 20260115_120000123 S1_MR",
        "prearchive archive NEURO 20260115_120000123 S1_MR --subject S1 --label S1_MR_2",
    ),
    "prearchive delete": ("prearchive delete NEURO 20260115_120000123 S1_MR --yes",),
    "prearchive rebuild": ("prearchive rebuild NEURO 20260115_120000123 S1_MR",),
    "prearchive move": ("prearchive move Unassigned 20260115_120000123 dicom_upload NEURO",),
    "prearchive settings": ("prearchive settings -P NEURO", "prearchive settings -P NEURO --set manual"),
    "pipeline list": ("pipeline list", "pipeline list --project NEURO"),
    "pipeline run": (
        "pipeline run DicomToNifti --experiment XNAT_E00001",
        "pipeline run dcm2niix-session -P NEURO -E S1_MR --param flags=-z --wait",
    ),
    "pipeline status": ("pipeline status 1234", "pipeline status 1234 --watch --interval 10"),
    "pipeline cancel": ("pipeline cancel 1234 --yes",),
    "pipeline jobs": ("pipeline jobs -P NEURO --status failed", "pipeline jobs -E XNAT_E00001"),
    "command list": ("command list",),
    "command show": ("command show dcm2niix",),
    "wrapper list": ("wrapper list", "wrapper list -P NEURO"),
    "container list": ("container list -P NEURO --status Running",),
    "container show": ("container show 0c3f6ab1d2e4",),
    "container launch": ("container launch dcm2niix-session -P NEURO -E S1_MR --wait",),
    "container logs": ("container logs 0c3f6ab1d2e4", "container logs 0c3f6ab1d2e4 --stderr"),
    "container kill": ("container kill 0c3f6ab1d2e4 --yes",),
    "api get": ("api get /data/projects --query format=csv",),
    "api post": ("api post /data/services/refresh/catalog --query resource=/archive/projects/NEURO --yes",),
    "api put": ("api put /data/projects/NEURO/accessibility/protected --yes",),
    "api delete": ("api delete /data/experiments/XNAT_E00001/resources/QC --yes",),
    "dicom inspect": ("dicom inspect IM0001", "dicom inspect IM0001 -t Modality -t SeriesDescription"),
    "dicom validate": ("dicom validate ./exam",),
    "dicom list-tags": ("dicom list-tags IM0001",),
    "admin refresh-catalogs": (
        "admin refresh-catalogs NEURO",
        "admin refresh-catalogs NEURO --option append --option populateStats -E S1_MR",
    ),
    "admin audit": ("admin audit --project NEURO --since 7d", "admin audit --project NEURO --action refreshed"),
    "admin user list": ("admin user list", "admin user list -P NEURO"),
    "admin user show": ("admin user show ada",),
    "admin user add": ("admin user add ada NEURO_member", "admin user add ada --projects NEURO,PET --role member"),
    "admin user remove": ("admin user remove ada --project NEURO --yes",),
    "admin user enable": ("admin user enable ada",),
    "admin user disable": ("admin user disable ada --yes",),
    "admin user groups": ("admin user groups ada",),
    "admin user roles": ("admin user roles ada", "admin user roles ada --grant Administrator --yes"),
    "admin site-config get": ("admin site-config get", "admin site-config get siteId"),
    "admin site-config set": ("admin site-config set sessionTimeout '2 hours' --yes",),
    "admin plugins": ("admin plugins",),
    "admin version": ("admin version",),
    "audit": ("audit manifest.json -P NEURO",),
    "ledger list": ("ledger list",),
    "ledger query": ("ledger query 'select path, phase from item' -o csv",),
    "rules test": ("rules test /data/incoming/prisma/exam1", "rules test ~/exam.zip --route prisma"),
    "rules replay": ("rules replay --since 30d", "rules replay --since 7d --route prisma -o json"),
    "ledger export": ("ledger export --to ~/ledger-2026", "ledger export receipt unit --to ~/receipts --format json"),
    "help": ("help session list",),
}


def explain(command: Any, path: tuple[str, ...] = ()) -> None:
    """Give every command below its examples, and names that people read instead of Python's types."""
    for name, child in getattr(command, "commands", {}).items():
        explain_one(child, (*path, name))
        explain(child, (*path, name))


def explain_one(command: Any, path: tuple[str, ...]) -> None:
    """Give one command its examples and names, as `explain` gives them to all."""
    if lines := EXAMPLES.get(" ".join(path)) or CHANGE_EXAMPLES.get(" ".join(path), ()):
        shown = "\n".join(f"  xnatsync {line}" for line in lines)
        command.epilog = f"\b\nExamples:\n{shown}\n\nThe options of `xnatsync --help` may stand here too."
    for option in command.params:
        if getattr(option, "param_type_name", "") == "argument":
            named = option.metavar or option.name.upper()
            option.metavar = named if " " in named else named.strip("[].")  # the parser adds them itself
            if " " in named:
                option.get_usage_pieces = lambda ctx, named=named: [named]  # several words that one argument takes
            option.display_type_rich = lambda ctx=None: ""
        elif option.metavar is None and getattr(option, "min", None) is not None:
            option.metavar = "N"
    command.get_short_help_str = lambda limit=0, text=command.help or "": first_sentence(text)


def first_sentence(text: str) -> str:
    """Return the first sentence of a help, whole: a list of commands breaks its lines instead of cutting them."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0]


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command(name="help")(help_)


def help_(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]...", show_default=False, help="As in `help session list`.")
    ] = None,
) -> int:
    """Show the help of a command, or list all commands."""
    shell = ctx.ensure_object(Shell)
    shell.begin("help", None)
    place: Any = ctx.find_root()
    for word in words or ():
        found = getattr(place.command, "commands", {}).get(word)
        if found is None:
            raise Usage(absent(word, getattr(place.command, "commands", {})), advice="`xnatsync help` lists them.")
        place = type(ctx)(found, info_name=word, parent=place, **found.context_settings)
    shell.screen.document(place.get_help())
    return Exit.OK


def absent(word: str, known: Any) -> str:
    """Say that there is no such command; name one only where it is very likely meant."""
    if near := difflib.get_close_matches(word, list(known), n=1, cutoff=_ALIKE):
        return f"there is no command `{word}`; did you mean `{near[0]}`?"
    instead = f": {_ABSENT[word]}" if word in _ABSENT else ""
    return f"there is no command `{word}` in this version{instead}"


def unknown_command(words: str) -> str | None:
    """Return the command that the parser did not know, from what it says; None when it says something else."""
    found = re.match(r"No such command '([^']*)'", words)
    return found[1] if found is not None else None
