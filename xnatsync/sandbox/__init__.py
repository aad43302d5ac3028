"""The embedded stand-in XNAT: real HTTP on loopback, the behaviour of `docs/sandbox.md`, surprises included.

Nothing of the product is imported here, so that the sandbox can judge it.
"""
