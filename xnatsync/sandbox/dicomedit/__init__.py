"""DicomEdit, the language of XNAT's anonymisation scripts: version 6 and the legacy language 4 (import.md §2.9)."""
