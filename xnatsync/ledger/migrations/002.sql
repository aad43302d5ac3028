-- The ledger, version 2: mirrors and pushes.  A tree of files is kept in agreement with a project's resources.

create table owner (                            -- a project, subject or session of a route: stepped as one
  id         integer primary key autoincrement,
  route      text not null references route(name),
  project    text not null,
  kind       text not null check (kind in ('project', 'subject', 'session')),
  server_id  text not null,                     -- project ID or accession ID: stays when labels change
  subject    text not null default '',          -- labels as last agreed: they make the folders
  session    text not null default '',
  stamp      text not null default '',          -- of its metadata, as last agreed
  phase      text not null check (phase in ('known', 'agreed', 'gone')),
  hold       text check (hold in ('retry', 'person')),
  code       text,
  detail     text,
  advice     text,
  retry_at   text,
  tries      integer not null default 0,
  seen_at    text not null,                     -- first seen on the server
  agreed_at  text,                              -- tree and server were last compared file by file and agreed
  gone_at    text,                              -- a complete inventory no longer named it
  check ((hold is null) = (code is null)),
  check ((hold is 'retry') = (retry_at is not null)),
  check ((phase = 'gone') = (gone_at is not null)),
  check (phase <> 'agreed' or agreed_at is not null)
) strict;
create unique index owner_known on owner (route, project, kind, server_id);
create index owner_hold on owner (route, phase, hold);
create trigger owner_begins before insert on owner
  when new.phase <> 'known' or exists (select 1 from owner where id = new.id) or exists
    (select 1 from owner where route = new.route and project = new.project and kind = new.kind and server_id = new.server_id)
  begin select raise(abort, 'owners begin as known'); end;
create trigger owner_stays before update of id, route, project, kind, server_id on owner
  when new.id is not old.id or new.route is not old.route or new.project is not old.project or new.kind is not old.kind
    or new.server_id is not old.server_id
  begin select raise(abort, 'an owner stays what it is'); end;
create trigger owner_kept before delete on owner begin select raise(abort, 'owners are kept'); end;

create table resource (                         -- one resource of an owner, as last agreed
  owner_id   integer not null references owner(id) on delete cascade,
  scan       text not null,                     -- "": the owner's own
  label      text not null,
  stamp      text not null,                     -- what the inventory said of it when it last agreed; "" = look again
  files      integer not null,
  bytes      integer not null,
  agreed_at  text not null,
  primary key (owner_id, scan, label)
) strict, without rowid;

create table version (                          -- what lay at a path of the tree, from when until when: append-only but for its end
  id         integer primary key autoincrement,
  owner_id   integer not null references owner(id),
  scan       text not null,
  label      text not null,
  name       text not null,                     -- within the resource, as the server stores it
  route      text not null,
  path       text not null,                     -- in the tree, POSIX, relative to the route's folder
  size       integer not null,
  sha256     blob not null check (length(sha256) = 32),
  md5        text not null check (length(md5) = 32),
  mtime_ns   integer not null,                  -- of the local file: with the size, tells an edit without reading it
  origin     text not null check (origin in ('server', 'tree')),  -- who had it first: pulled, or pushed from here
  since      text not null,
  until      text,                              -- null: the merge base, what both sides agreed to hold
  ended      text check (ended in ('replaced', 'removed', 'moved', 'edited')),
  trash      text,                              -- where its bytes are since, relative to the trash; announced before it is done
  run_id     integer references run(id),
  check ((until is null) = (ended is null))
) strict;
create unique index version_living on version (route, path) where until is null;
create index version_owner on version (owner_id, scan, label) where until is null;
create index version_past on version (route, path) where until is not null;
create index version_trash on version (route, until) where trash is not null and until is not null;

create trigger version_begins before insert on version   -- `insert or replace` would delete behind every trigger's back
  when new.until is not null or exists (select 1 from version where id = new.id)
    or exists (select 1 from version where route = new.route and path = new.path and until is null)
  begin select raise(abort, 'a version begins where none is living'); end;
create trigger version_own before insert on version
  when (select route from owner where id = new.owner_id) is not new.route
  begin select raise(abort, 'a version belongs to an owner of its own route'); end;
create trigger version_stays before update on version
  when new.id is not old.id or new.owner_id is not old.owner_id or new.scan is not old.scan or new.label is not old.label
    or new.name is not old.name or new.route is not old.route or new.path is not old.path or new.size is not old.size
    or new.sha256 is not old.sha256 or new.md5 is not old.md5 or new.since is not old.since
    or new.origin is not old.origin or new.run_id is not old.run_id
    or (old.until is not null and (new.until is not old.until or new.ended is not old.ended
                                   or new.mtime_ns is not old.mtime_ns))
  begin select raise(abort, 'what lay there stays what it was'); end;
create trigger version_kept before delete on version begin select raise(abort, 'the history of a tree is kept'); end;

create table trouble (                          -- why a file, a resource or an owner is not in agreement; replaced at each look
  owner_id   integer not null references owner(id) on delete cascade,
  path       text not null,                     -- in the tree; scan/label for a whole resource; "" for the owner
  code       text not null,
  detail     text not null,
  person     integer not null check (person in (0, 1)),   -- 1: waits for a person; 0: told, and nothing to do
  at         text not null,
  primary key (owner_id, path, code)
) strict, without rowid;

create table deed (                             -- the write-ahead trace of one effect of a push
  id         integer primary key autoincrement,
  owner_id   integer not null references owner(id),
  run_id     integer not null references run(id),
  scan       text not null,
  label      text not null,
  name       text not null,
  sha256     blob not null check (length(sha256) = 32),   -- of what was sent: an answer that never came is recognised by it
  request_id text not null unique,
  began_at   text not null,
  ended_at   text,
  outcome    text check (outcome in ('ok', 'refused', 'failed', 'unknown')),
  code       text,
  quiet_at   text not null,
  check ((ended_at is null) = (outcome is null))
) strict;
create index deed_owner on deed (owner_id, scan, label, name, id);
create index deed_open on deed (id) where ended_at is null;
create trigger deed_begins before insert on deed
  when new.ended_at is not null or exists (select 1 from deed where id = new.id or request_id = new.request_id)
  begin select raise(abort, 'deeds are announced once, before they are done'); end;
create trigger deed_stays before update on deed
  when old.ended_at is not null or new.id is not old.id or new.owner_id is not old.owner_id or new.run_id is not old.run_id
    or new.scan is not old.scan or new.label is not old.label or new.name is not old.name
    or new.sha256 is not old.sha256 or new.request_id is not old.request_id or new.began_at is not old.began_at
  begin select raise(abort, 'a deed stays what it was'); end;
create trigger deed_kept before delete on deed begin select raise(abort, 'deeds are kept'); end;

alter table audit add column route text;                            -- of what was verified
alter table audit add column owner_id integer references owner(id);   -- null: a unit, or a thing that no owner has
create index audit_run on audit (run_id, verdict);
create index audit_last on audit (route, unit_id, owner_id, level, id) where key is null;   -- what was verified longest ago?
