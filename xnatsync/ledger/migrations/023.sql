-- The ledger, version 23: which kinds of series came with an exam, as digests of their descriptions.

create table series_kind (
  unit_id integer not null references unit(id),
  digest  blob not null check (length(digest) = 16),   -- HMAC of the description with the ledger's salt
  primary key (unit_id, digest)
) strict, without rowid;
