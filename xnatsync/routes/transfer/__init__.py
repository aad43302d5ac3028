"""Transfers: a project of one server, with everything in it, to a project of another."""
