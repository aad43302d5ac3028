-- The ledger, version 4: files in the tree of a push that have no place on its server.

create table unplaced (                         -- why a file is not sent that nobody owns; replaced at each look
  route  text not null references route(name),
  path   text not null,                         -- in the tree; "" for the number of all of a kind
  code   text not null,
  detail text not null,
  person integer not null check (person in (0, 1)),   -- 1: waits for a person; 0: told, and nothing need be done
  at     text not null,                         -- since when
  primary key (route, path, code)
) strict, without rowid;
