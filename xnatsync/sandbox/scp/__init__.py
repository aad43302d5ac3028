"""The sandbox's DICOM receiver: a port for modalities, beside the one for HTTP."""
