"""Wiring: what the commands and the background service do, built from engine, ledger, disk and servers."""
