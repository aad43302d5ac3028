"""DICOM as xnatsync needs it: what a file is, what identifies an object, what its pixels are; studies for tests."""
