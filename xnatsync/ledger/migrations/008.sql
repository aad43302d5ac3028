-- The ledger, version 8: where the server said that it archived a row of ours.

-- An address below /archive.  A script may rewrite the UID of the study; the address is what it is known again by.
alter table attempt add column archived text;
