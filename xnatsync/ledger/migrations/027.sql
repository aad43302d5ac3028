-- The ledger, version 27: where the drop folder of a route is: what is kept in another says nothing of what is here.

create table drop_folder (
  route  text primary key,
  folder text not null,                           -- as it was configured when the route last ran
  at     text not null
) strict, without rowid;
