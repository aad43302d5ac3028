-- The ledger, version 6: what stands still and why, how runs ended, and when a write that failed is tried again.

alter table run add column exit_code integer;   -- of the command, when it ended by itself
alter table run add column code text;           -- of the gravest failure that did not concern one thing alone
alter table run add column detail text;

create table pause (                            -- a route, a server, or the ledger, that is left alone
  what     text primary key,                    -- `route NAME`, `server NAME`, `writes to NAME`, `the ledger`
  run_id   integer not null references run(id), -- that found it so last
  since    text not null,
  until    text,                                -- when it is tried again; null: not in that run
  failures integer not null,                    -- in a row
  code     text not null,
  detail   text not null,
  advice   text not null
) strict, without rowid;

create table backoff (                          -- an outside effect on a unit that failed; gone when that effect succeeds
  unit_id  integer not null references unit(id),
  effect   text not null check (effect in ('import', 'build', 'commit', 'attach')),
  failures integer not null check (failures > 0),  -- in a row
  until    text not null,                       -- it is not tried again sooner
  code     text not null,
  detail   text not null,
  primary key (unit_id, effect)
) strict, without rowid;

create index unit_open on unit (item_id) where phase in ('planned', 'staged', 'sent', 'landed');
