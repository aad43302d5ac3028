-- The ledger, version 19: whom a session shows, as salted digests that tell nothing but whether two are the same.

create table salt (                             -- made here, once; without it no digest can be compared with anything
  value blob not null check (length(value) = 32)
) strict;

create table patient (                          -- what a study says of its patient: never a value
  unit_id integer not null references unit(id),
  field   text not null,                        -- the DICOM keyword
  digest  blob not null check (length(digest) = 16),
  primary key (unit_id, field, digest)
) strict, without rowid;
