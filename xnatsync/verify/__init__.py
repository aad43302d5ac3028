"""Is it still there?  Both sides compared with what was agreed; nothing on a server is changed."""
