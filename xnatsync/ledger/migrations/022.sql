-- The ledger, version 22: transfers by DICOM import.  Our upload on its way, and what each file of the source is.

create table import_row (                       -- of a session: our row in the prearchive of the destination, while there is one
  owner_id  integer primary key references owner(id),
  uri       text not null,                      -- as the server answered; "" while no answer came
  sends     integer not null check (sends >= 0),  -- uploads that the server acknowledged and that it did not hold afterwards
  broken    integer not null check (broken in (0, 1)),     -- an upload was begun, and nobody knows how it ended
  committed integer not null check (committed in (0, 1)),  -- the server was asked to archive it
  before    text not null check (json_valid(before))       -- rows that were there before ours
) strict;

create table import_object (                    -- a file of the source among those that go by import
  owner_id  integer not null references owner(id),
  scan      text not null,
  label     text not null,
  name      text not null,
  seen      blob not null check (length(seen) = 32),  -- digest of the size and MD5 that the source listed when it was read
  sop_uid   text not null,                      -- "" when it cannot be imported
  origin    text not null check (origin in ('catalogue', 'bytes')),  -- who said so
  code      text not null default '',           -- why it cannot be imported
  detail    text not null default '',
  sha256    blob check (length(sha256) = 32),   -- of what was sent; null = it was not sent from here
  md5       text not null default '',
  pixels    blob check (length(pixels) = 32),   -- of its pixel data
  content   blob check (length(content) = 32),  -- of what else it says, but for what servers rewrite
  syntax    text not null default '',           -- its transfer syntax
  proof     text not null default '' check (proof in ('', 'pixels', 'content', 'uid')),  -- by what it is known at the destination
  there     blob check (length(there) = 32),    -- digest of what the destination listed of it then
  primary key (owner_id, scan, label, name),
  check ((proof = '') = (there is null)),
  check ((sop_uid = '') = (code <> ''))
) strict, without rowid;
create trigger import_object_stays before update of owner_id, scan, label, name on import_object
  when new.owner_id is not old.owner_id or new.scan is not old.scan or new.label is not old.label or new.name is not old.name
  begin select raise(abort, 'an object stays that of its file'); end;
create trigger import_object_kept before delete on import_object
  begin select raise(abort, 'objects that were imported are kept'); end;
