"""The ledger: what was seen, what was tried, what was proven.  The only place that knows SQL."""
