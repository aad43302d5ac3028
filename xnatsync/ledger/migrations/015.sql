-- The ledger, version 15: transfers.  What stands at a destination for what of the source, and what each run did.

create table counterpart (                      -- of an entity of a transfer, or of a part of it: a record, a scan, an assessor
  owner_id    integer not null references owner(id),
  part        text not null,                    -- "": the entity itself; else a part, as in resource.scan
  source_id   text not null,                    -- accession ID or project ID, or the ID of a scan
  there_id    text not null,                    -- the same at the destination: stays when it is relabelled there
  there_label text not null,                    -- as it was last agreed
  facts       text not null default '{}' check (json_valid(facts)),  -- by path: what each side showed when they last agreed, as digests
  primary key (owner_id, part)
) strict, without rowid;
create trigger counterpart_stays before update of owner_id, part on counterpart
  when new.owner_id is not old.owner_id or new.part is not old.part
  begin select raise(abort, 'a counterpart stays of what it is'); end;
create trigger counterpart_kept before delete on counterpart
  begin select raise(abort, 'counterparts are kept'); end;

create table agreed_look (                      -- what the listings of both sides told of an entity before it was found in agreement
  owner_id integer primary key references owner(id),
  here     text not null,                       -- of the source
  there    text not null                        -- of the destination
) strict;

create table transfer_run (                     -- one run of a transfer
  run_id      integer not null references run(id),
  route       text not null references route(name),
  server      text not null,
  project     text not null,
  to_server   text not null,
  to_project  text not null,
  started_at  text not null,
  ended_at    text,
  outcome     text check (outcome in ('complete', 'partial', 'stopped', 'interrupted', 'failed')),
  counts      text not null default '{}' check (json_valid(counts)),
  primary key (run_id, route),
  check ((ended_at is null) = (outcome is null))
) strict, without rowid;
create index transfer_run_project on transfer_run (project, run_id);
create trigger transfer_run_kept before delete on transfer_run
  begin select raise(abort, 'runs of transfers are kept'); end;
