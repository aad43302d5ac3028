"""The site's preferences, with XNAT's defaults (hierarchy.md §2.5, import.md §6.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from xnatsync.sandbox.model.accounts import ADMIN_EMAIL

Value = str | int | bool | list[str]

VERSION = "1.9.2.1"

DEFAULTS: Mapping[str, Value] = {
    "siteId": "XNAT",
    "siteUrl": "http://127.0.0.1",
    "siteHome": "/app/template/Index.vm",
    "siteLogoPath": "/images/logo.png",
    "siteDescriptionText": "",
    "initialized": True,
    "requireLogin": True,
    "primaryAdminUsername": "admin",
    "adminEmail": ADMIN_EMAIL,
    "restrictUserListAccessToAdmins": True,
    "sitewidePetTracers": "PIB\nFDG",
    "passwordComplexityMessage": "Password is not sufficiently complex.",
    "receivedFileUser": "admin",
    "sessionTimeout": "15 minutes",
    "sessionTimeoutMessage": "Session timed out at TIMEOUT_TIME.",
    "concurrentMaxSessions": 1000,
    "maxFailedLogins": 20,
    "maxFailedLoginsLockoutDuration": "1 hour",
    "aliasTokenTimeout": "2 days",
    "uiLoginFailureMessage": "Your login attempt failed because the username and password combination you provided "
    "was invalid.",
    "interactiveAgentIds": [".*MSIE.*", ".*Mozilla.*", ".*AppleWebKit.*", ".*Opera.*"],
    "dataPaths": ["/xapi/**", "/data/**", "/REST/**", "/fs/**"],
    "enableCsrfToken": True,
    "checksums": True,
    "zipCompressionMethod": 0,
    "zipExtensions": "zip,jar,rar,ear,gar,mrb",
    "maintainFileHistory": False,
    "allowHtmlResourceRendering": False,
    "requireChangeJustification": False,
    "requireEventName": False,
    "security.prevent-data-deletion": False,
    "securityAllowNonPrivateProjects": True,
    "uiAllowNonAdminProjectCreation": True,
    "uiDefaultCompressedUploaderImporter": "DICOM-zip",
    "project.allow-auto-archive": True,
    "defaultProjectAutoArchiveSetting": 4,
    "sessionXmlRebuilderInterval": 5,
    "sessionXmlRebuilderRepeat": 60000,
    "sessionArchiveTimeoutInterval": 600,
    "preventCrossModalityMerge": True,
    "enableSitewideAnonymizationScript": True,
    "sitewideAnonymizationScript": "",
    "rerunProjectAnonOnRename": False,
    "enableSitewideSeriesImportFilter": False,
    "sitewideSeriesImportFilterMode": "blacklist",
    "sitewideSeriesImportFilter": "",
    "inboxPath": "/data/xnat/inbox",
    "archivePath": "/data/xnat/archive",
    "prearchivePath": "/data/xnat/prearchive",
    "cachePath": "/data/xnat/cache",
}

PUBLIC_KEYS = frozenset({"siteId", "siteUrl", "siteHome", "siteLogoPath"})
"""Keys anybody may read, even on a closed site (hierarchy.md §2.1, the trap)."""

ADMIN_KEYS = frozenset(
    {
        *("archivePath", "prearchivePath", "cachePath", "inboxPath", "receivedFileUser", "primaryAdminUsername"),
        *("passwordComplexityMessage", "adminEmail"),
    }
)
"""Keys only site administrators may read; so are all keys that XNAT does not know (T:`TestXapiSiteConfig`)."""


def may_read(key: str, *, admin: bool, guest: bool) -> bool:
    """Tell whether somebody may read a preference: public ones anybody, known ones users, the rest administrators."""
    return admin or key in PUBLIC_KEYS or (not guest and key in DEFAULTS and key not in ADMIN_KEYS)


_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


class Settings:
    """A map of preferences with XNAT's defaults below it."""

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        self.values: dict[str, Value] = {**DEFAULTS, **(values or {})}

    def changed(self) -> dict[str, Value]:
        """Return the preferences that differ from the defaults: what has to be kept over a restart."""
        return {key: value for key, value in self.values.items() if DEFAULTS.get(key) != value}

    def update(self, values: Mapping[str, Value]) -> None:
        """Set several preferences at once."""
        self.values.update(values)

    def text(self, key: str) -> str:
        """Return a preference as text; `""` when it does not exist."""
        value = self.values.get(key, "")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def flag(self, key: str) -> bool:
        """Return whether a preference is switched on; texts such as "true" count, as the admin pages send them."""
        value = self.values.get(key, "")
        return value if isinstance(value, bool) else str(value).lower() in {"true", "1"}

    def number(self, key: str) -> float:
        """Return a numeric preference."""
        return float(self.text(key) or 0)

    def seconds(self, key: str) -> float:
        """Return a duration such as "15 minutes" in seconds; a bare number is seconds."""
        match = re.fullmatch(r"\s*([\d.]+)\s*([a-z]*?)s?\s*", self.text(key).lower())
        if match is None or match[2] not in {"", *_UNITS}:
            return 900.0  # XNAT's own fallback for an unreadable session timeout (§2.2)
        return float(match[1]) * _UNITS.get(match[2], 1.0)


def build_info(node: str = "") -> dict[str, str]:
    """Return what `/xapi/siteConfig/buildInfo` shows; all values are texts (hierarchy.md §2.5)."""
    return {
        "version": VERSION,
        "buildNumber": "1",
        "buildDate": "Tue May 06 12:00:00 UTC 2025",
        "timestamp": "2025-05-06T12:00:00Z",
        "sha": "5a4db0c",
        "isDirty": "false",
        "branch": "sandbox",
        "commit": "v1.9.2.1-0-g5a4db0c",
        "tag": "v1.9.2.1",
        "shaFull": "5a4db0c0000000000000000000000000005a4db0c",
        "hostName": "localhost",
        "displayHostName": "multipleHostsOnly",
        "nodeId": node,
    }
