"""Files from a server into a store: many small ones as few zips, big ones alone, an interrupted one resumed."""
