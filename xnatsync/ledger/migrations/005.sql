-- The ledger, version 5: what exactly was compared of each object, and what was removed because of it.

-- 1: the server answered "stored" to an upload of this very content from here.  0: it is not known who put it there.
alter table entry add column acknowledged integer not null default 0 check (acknowledged in (0, 1));

create table evidence (                         -- what of one object was compared when its unit's receipt was written
  unit_id      integer not null references unit(id),
  key          text not null,                   -- as in entry: SOP Instance UID, or attached/<name>
  compared     text not null check (compared in ('listed', 'pixels', 'content', 'bytes')),  -- by name alone: no row
  acknowledged integer not null check (acknowledged in (0, 1)),  -- as in entry, at that moment
  primary key (unit_id, key)
) strict, without rowid;

create table removal (                          -- a dropped file that is going to be removed: announced before it is done
  item_id  integer not null references item(id),
  position integer not null,                    -- of the file in the manifest
  at       text not null,
  primary key (item_id, position)
) strict, without rowid;

create trigger evidence_begins before insert on evidence
  when (select phase from unit where id = new.unit_id) is not 'landed'
    or exists (select 1 from receipt where unit_id = new.unit_id)
    or exists (select 1 from evidence where unit_id = new.unit_id and key = new.key)
  begin select raise(abort, 'evidence is written with its receipt, once'); end;
create trigger evidence_unchanged before update on evidence begin select raise(abort, 'evidence is append-only'); end;
create trigger evidence_kept before delete on evidence begin select raise(abort, 'evidence is append-only'); end;

create trigger receipt_has_evidence before insert on receipt
  when new.level in ('pixels', 'bytes') and not exists (select 1 from receipt where id = new.id or unit_id = new.unit_id)
   and new.expected > (
    select count(*) from evidence where unit_id = new.unit_id
      and (compared = 'bytes' or key glob 'attached/*' or (new.level = 'pixels' and compared in ('pixels', 'content'))))
  begin select raise(abort, 'a receipt says only what was compared'); end;

-- A file is removed only if its server gave back every byte of it, or what it gave back of an upload that it had
-- acknowledged is the same as far as a server never rewrites it.
create trigger removal_needs_evidence before insert on removal
  when not exists (
    select 1 from file f join evidence e on e.unit_id = f.unit_id join receipt r on r.unit_id = f.unit_id
    where f.item_id = new.item_id and f.position = new.position and r.place = 'archive'
      and e.key = case f.kind when 'other' then 'attached/' || f.member else f.key end
      and (e.compared = 'bytes' or (e.acknowledged = 1 and e.compared in ('pixels', 'content'))))
    or exists (select 1 from removal where item_id = new.item_id and position = new.position)
  begin select raise(abort, 'nothing shows that the server holds this file'); end;
create trigger removal_unchanged before update on removal begin select raise(abort, 'removals are append-only'); end;
create trigger removal_kept before delete on removal begin select raise(abort, 'removals are append-only'); end;
