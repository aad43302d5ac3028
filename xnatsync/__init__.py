"""xnatsync keeps a local tree and XNAT servers in agreement, and proves it with a ledger."""

__version__ = "0.1.0"
