-- The ledger, version 7: where everything lies.  A ledger has a name, so that custody boxes tell whose they are; every done folder that was ever
-- used is known, and where exactly each copy was filed; files that were dropped without a folder are known one by one.

create table identity (                         -- this ledger's own name: one row, never changed
  name text not null check (length(name) = 8)
) strict;
insert into identity values (lower(hex(randomblob(4))));
create trigger identity_unchanged before update on identity begin select raise(abort, 'a ledger keeps its name'); end;
create trigger identity_kept before delete on identity begin select raise(abort, 'a ledger keeps its name'); end;
create trigger identity_once before insert on identity
  when exists (select 1 from identity) begin select raise(abort, 'a ledger keeps its name'); end;

create table done_folder (                      -- where a route files now, or did
  route  text not null,
  folder text not null,
  since  text not null,
  primary key (route, folder)
) strict, without rowid;

alter table item add column flat integer not null default 0 check (flat in (0, 1));  -- files at the top of the drop folder
alter table item add column filed_in text;      -- the done folder in which it was filed
alter table item add column unkept_at text;     -- its filed copy was found to be wholly gone

create table loose (                            -- a file at the top of a drop folder that holds an object of a study
  route     text not null,
  name      text not null,
  size      integer not null,
  mtime_ns  integer not null,
  study_uid text not null,
  item_id   integer not null references item(id) on delete cascade,
  primary key (route, name)
) strict, without rowid;
create index loose_item on loose (item_id, name);
