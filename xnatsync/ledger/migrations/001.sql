-- The ledger, version 1.  One SQLite file on a local disk: WAL, synchronous=FULL, foreign_keys=ON; every write in BEGIN IMMEDIATE.
-- Times are UTC text with milliseconds.  What the product promises is enforced here a second time, with Python bypassed.

create table route (                            -- what the configuration called a route, kept so that history stays readable
  name    text primary key,
  kind    text not null check (kind in ('drop', 'mirror', 'push', 'transfer')),
  digest  text not null,                        -- of its settings: a change releases what waits for a person
  seen_at text not null
) strict, without rowid;

create table run (                              -- one pass, by whomever it was asked for
  id         integer primary key,
  cause      text not null check (cause in ('watch', 'schedule', 'command', 'recovery')),
  pid        integer not null,
  boot_id    text not null,
  version    text not null,
  started_at text not null,
  ended_at   text,                              -- null and the process gone: it was killed
  outcome    text check (outcome in ('ok', 'partial', 'halted', 'interrupted', 'failed')),
  counts     text not null default '{}' check (json_valid(counts)),
  check ((ended_at is null) = (outcome is null))
) strict;

create table item (                             -- one dropped thing
  id          integer primary key autoincrement,
  route       text not null references route(name),
  place       text not null check (place in ('drop', 'custody')),
  path        text not null,                    -- relative to that place
  fingerprint text not null,                    -- of names, sizes and times: cheap, for settling
  phase       text not null check (phase in ('seen', 'settled', 'verified', 'done', 'left', 'dismissed')),
  hold        text check (hold in ('retry', 'person')),
  code        text,
  detail      text,
  advice      text,
  retry_at    text,
  tries       integer not null default 0,
  files       integer not null,
  bytes       integer not null,
  seen_at     text not null,
  steady_at   text not null,                    -- the fingerprint has been the same since
  moved_at    text not null,                    -- last change of phase
  filed_as    text,                             -- relative to the done folder
  check ((hold is null) = (code is null)),
  check ((hold is 'retry') = (retry_at is not null))
) strict;
create unique index item_living on item (route, place, path) where phase not in ('done', 'dismissed');
create index item_path on item (route, place, path, id);
create index item_phase on item (route, phase, hold, bytes);    -- covers the counts of `status`

create table unit (                             -- one indivisible delivery: one session of one item to one server
  id         integer primary key autoincrement,
  item_id    integer not null references item(id),
  route      text not null references route(name),
  server     text not null,
  project    text not null,
  subject    text not null,
  session    text not null,
  study_uid  text not null,
  target     text not null,
  phase      text not null check (phase in ('planned', 'staged', 'sent', 'landed', 'verified', 'closed', 'dismissed')),
  hold       text check (hold in ('retry', 'person')),
  code       text,
  detail     text,
  advice     text,
  retry_at   text,
  tries      integer not null default 0,
  sends      integer not null default 0,
  files      integer not null,
  bytes      integer not null,
  prearchive text,
  session_id text,
  planned_at text not null,
  moved_at   text not null,
  check ((hold is null) = (code is null)),
  check ((hold is 'retry') = (retry_at is not null))
) strict;
create unique index unit_living on unit (item_id, study_uid) where phase not in ('closed', 'dismissed');
create unique index unit_lease on unit (target) where phase in ('sent', 'landed');  -- one writer at a time for each target
create index unit_item on unit (item_id, phase);
create index unit_study on unit (server, project, study_uid);
create index unit_phase on unit (route, phase, hold);
create index unit_session on unit (session);

create table series (                           -- what all objects of a series share, written once
  id          integer primary key,
  uid         text not null,
  number      text not null,
  modality    text not null,
  sop_class   text not null,
  syntax      text not null,
  unique (uid, number, modality, sop_class, syntax)
) strict;

create table file (                             -- the manifest: what exactly an item was when it settled; replaced, never updated
  item_id     integer not null references item(id) on delete cascade,
  position    integer not null,                 -- the order in which it is read fastest
  path        text not null,
  size        integer not null,
  mtime_ns    integer not null,
  sha256      blob not null check (length(sha256) = 32),
  crc32       integer not null,
  md5         blob not null check (length(md5) in (0, 16)),
  kind        text not null check (kind in ('dicom', 'other', 'broken', 'duplicate')),
  reason      text not null,
  unit_id     integer references unit(id),
  key         text not null,
  member      text not null,
  series_id   integer references series(id),
  pixels      blob check (pixels is null or length(pixels) = 32),
  pixel_bytes integer not null default 0,
  primary key (item_id, position),
  check (kind = 'dicom' or reason <> '')       -- nothing is left behind without a reason
) strict, without rowid;
create index file_unit on file (unit_id, kind) where unit_id is not null;
create index file_series on file (series_id) where series_id is not null;
create index file_key on file (key);
create unique index file_path on file (path, item_id);
create index file_kind on file (item_id, kind, size);

create table attempt (                          -- the write-ahead trace of one outside effect
  id         integer primary key autoincrement,
  unit_id    integer not null references unit(id),
  run_id     integer not null references run(id),
  effect     text not null check (effect in ('import', 'build', 'commit', 'attach')),
  request_id text not null unique,              -- sent along, so that it is found in the server's log
  began_at   text not null,
  ended_at   text,
  outcome    text check (outcome in ('ok', 'refused', 'failed', 'unknown')),
  http       integer,
  code       text,
  detail     text,
  quiet_at   text not null,                     -- until then a late effect of it may still land
  before     text not null default '[]' check (json_valid(before)),
  check ((ended_at is null) = (outcome is null))
) strict;
create index attempt_unit on attempt (unit_id, id);
create index attempt_open on attempt (id) where ended_at is null;

create table entry (                            -- the synced tree: the merge base of every three-way decision
  route         text not null,
  target        text not null,
  key           text not null,
  state         text not null check (state in ('sent', 'verified')),
  source_size   integer not null,
  source_sha256 blob not null,
  target_size   integer,
  target_digest text not null default '',
  unit_id       integer not null references unit(id),
  at            text not null,
  primary key (route, target, key)
) strict, without rowid;

create table receipt (                          -- proof that the target held everything; append-only
  id       integer primary key autoincrement,
  unit_id  integer not null unique references unit(id),
  level    text not null check (level in ('names', 'pixels', 'bytes')),  -- counts are never enough
  place    text not null check (place in ('archive', 'prearchive')),
  expected integer not null check (expected > 0),
  held     integer not null,
  manifest blob not null check (length(manifest) = 32),
  evidence text not null check (json_valid(evidence)),
  at       text not null,
  check (held = expected)
) strict;

create table audit (                            -- findings of verify
  id      integer primary key,
  run_id  integer not null references run(id),
  unit_id integer references unit(id),
  target  text not null,
  key     text,
  level   text not null,
  verdict text not null check (verdict in ('same', 'missing', 'differs', 'extra', 'unreadable', 'unverifiable')),
  detail  text,
  at      text not null
) strict;

create table cursor (
  route text not null,
  name  text not null,
  value text not null,
  at    text not null,
  primary key (route, name)
) strict, without rowid;

create table request (                          -- commands for the running service: a mailbox that survives both sides
  id       integer primary key autoincrement,
  verb     text not null,
  args     text not null check (json_valid(args)),
  asked_at text not null,
  taken_at text,
  done_at  text,
  reply    text
) strict;

create table event (                            -- the diary
  id      integer primary key autoincrement,
  at      text not null,
  level   text not null check (level in ('info', 'warning', 'error')),
  code    text not null,
  text    text not null,
  route   text,
  run_id  integer,
  item_id integer,
  unit_id integer,
  data    text check (data is null or json_valid(data))
) strict;
create index event_at on event (at);
create index event_item on event (item_id, id);

-- legal moves -----------------------------------------------------------------------------------------------------

create table move (machine text not null, from_phase text not null, to_phase text not null,
  primary key (machine, from_phase, to_phase)) strict, without rowid;
insert into move values
  ('item', 'seen', 'settled'), ('item', 'seen', 'left'), ('item', 'settled', 'seen'), ('item', 'left', 'seen'),
  ('item', 'settled', 'verified'), ('item', 'verified', 'done'),
  ('item', 'seen', 'dismissed'), ('item', 'settled', 'dismissed'), ('item', 'left', 'dismissed'),
  ('unit', 'planned', 'staged'), ('unit', 'planned', 'sent'), ('unit', 'planned', 'landed'), ('unit', 'staged', 'sent'),
  ('unit', 'staged', 'planned'), ('unit', 'sent', 'planned'), ('unit', 'sent', 'landed'), ('unit', 'landed', 'planned'),
  ('unit', 'landed', 'verified'), ('unit', 'verified', 'closed'),
  ('unit', 'planned', 'dismissed'), ('unit', 'staged', 'dismissed'), ('unit', 'sent', 'dismissed'), ('unit', 'landed', 'dismissed');

create trigger item_moves before update of phase on item
  when new.phase <> old.phase and not exists
    (select 1 from move where machine = 'item' and from_phase = old.phase and to_phase = new.phase)
  begin select raise(abort, 'an item cannot make this move'); end;
create trigger unit_moves before update of phase on unit
  when new.phase <> old.phase and not exists
    (select 1 from move where machine = 'unit' and from_phase = old.phase and to_phase = new.phase)
  begin select raise(abort, 'a unit cannot make this move'); end;
-- A row that is there already is never replaced: `insert or replace` would delete it behind every other trigger's back.
create trigger item_begins before insert on item
  when new.phase <> 'seen' or exists (select 1 from item where id = new.id)
  begin select raise(abort, 'items begin as seen'); end;
create trigger unit_begins before insert on unit
  when new.phase <> 'planned' or exists (select 1 from unit where id = new.id)
  begin select raise(abort, 'units begin as planned'); end;
create trigger item_stays before update of id, route, place, path on item
  when new.id is not old.id or new.route is not old.route or new.place is not old.place or new.path is not old.path
  begin select raise(abort, 'an item stays what it is'); end;
create trigger unit_stays before update of id, item_id, route, server, project, subject, study_uid on unit
  when new.id is not old.id or new.item_id is not old.item_id or new.route is not old.route or new.server is not old.server
    or new.project is not old.project or new.subject is not old.subject or new.study_uid is not old.study_uid
  begin select raise(abort, 'a unit stays what it is'); end;
create trigger unit_aim before update of session, target on unit
  when old.phase <> 'planned' and (new.session is not old.session or new.target is not old.target)
  begin select raise(abort, 'a unit that was sent keeps its target'); end;

-- proofs ----------------------------------------------------------------------------------------------------------

create trigger receipt_unchanged before update on receipt begin select raise(abort, 'receipts are append-only'); end;
create trigger receipt_kept before delete on receipt begin select raise(abort, 'receipts are append-only'); end;
create trigger unit_needs_receipt before update of phase on unit
  when new.phase in ('verified', 'closed') and not exists (select 1 from receipt where unit_id = new.id)
  begin select raise(abort, 'no receipt for this unit'); end;
create trigger receipt_once before insert on receipt
  when exists (select 1 from receipt where id = new.id or unit_id = new.unit_id)
  begin select raise(abort, 'receipts are append-only'); end;
create trigger receipt_is_final before update of phase on unit    -- else it would vouch for what is sent after it
  when old.phase = 'landed' and new.phase in ('planned', 'dismissed') and exists (select 1 from receipt where unit_id = new.id)
  begin select raise(abort, 'a unit with a receipt is verified'); end;
create trigger receipt_follows_landing before insert on receipt
  when (select phase from unit where id = new.unit_id) is not 'landed'
  begin select raise(abort, 'a receipt is for what has landed'); end;
create trigger receipt_is_whole before insert on receipt
  when new.expected < (select count(*) from file where unit_id = new.unit_id and kind in ('dicom', 'other'))
  begin select raise(abort, 'a receipt vouches for the whole manifest of its unit'); end;
create trigger item_needs_proof before update of phase on item
  when new.phase in ('verified', 'done') and (
       not exists (select 1 from unit where item_id = new.id and phase in ('verified', 'closed'))
    or exists (select 1 from unit where item_id = new.id and phase not in ('verified', 'closed', 'dismissed'))
    -- A unit that was dismissed with an earlier manifest is over; one that this manifest counts on is missing.
    or exists (select 1 from unit where item_id = new.id and phase = 'dismissed'
               and exists (select 1 from file where unit_id = unit.id))
    or exists (select 1 from file where item_id = new.id and kind = 'dicom' and unit_id is null))
  begin select raise(abort, 'not every session of this item is proven'); end;
create trigger item_kept before delete on item when old.phase <> 'seen'
  begin select raise(abort, 'an item that has settled is kept'); end;
create trigger unit_kept before delete on unit begin select raise(abort, 'units are kept'); end;
create trigger attempt_kept before delete on attempt begin select raise(abort, 'attempts are kept'); end;
create trigger manifest_frozen before update on file begin select raise(abort, 'a manifest is frozen'); end;
create trigger manifest_begins before insert on file
  when (select phase from item where id = new.item_id) is not 'seen'
  begin select raise(abort, 'a manifest is frozen'); end;
create trigger manifest_own before insert on file
  when new.unit_id is not null and (select item_id from unit where id = new.unit_id) is not new.item_id
  begin select raise(abort, 'a file travels with a unit of its own item'); end;
create trigger manifest_kept before delete on file
  when (select phase from item where id = old.item_id) <> 'seen'
  begin select raise(abort, 'the manifest of an item that has settled is kept'); end;
