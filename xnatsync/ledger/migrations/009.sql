-- The ledger, version 9: files that need a person, what a person accepted, and objects that lie there packed.

-- Why a file needs a person, or needed one: `broken` files hold their item with it, `odd` objects are delivered as they
-- are, `accepted` files are not delivered because a person said so.
alter table file add column doubt text not null default ''
  check (doubt in ('', 'odd', 'lost', 'closed', 'strange', 'accepted'));
-- Bytes on disk of an object that lies there packed; size and digests are those of the object.
alter table file add column packed integer;
create index file_odd on file (item_id, doubt) where doubt <> '';

create table acceptance (                       -- a person has seen this file and why it needs one, and lets it be
  item_id integer not null references item(id) on delete cascade,
  path    text not null,
  sha256  blob not null check (length(sha256) = 32),  -- another content is another matter
  reason  text not null,                        -- and so is another reason
  at      text not null,
  primary key (item_id, path, sha256, reason)
) strict, without rowid;

create trigger item_accounts before update of phase on item
  when new.phase in ('verified', 'done') and old.phase <> new.phase
    and exists (select 1 from file where item_id = new.id and kind = 'broken')
  begin select raise(abort, 'a file of this item is not accounted for'); end;
