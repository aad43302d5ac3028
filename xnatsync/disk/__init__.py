"""The local disk: looking, reading, streaming and moving dropped items, so that nothing is followed or overwritten."""
