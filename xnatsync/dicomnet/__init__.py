"""DICOM over a network, as the one who calls: associations, C-ECHO and C-STORE (ADR 17)."""
