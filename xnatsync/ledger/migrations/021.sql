-- The ledger, version 21: filed copies that are let go when their time is over.

create table sighting (               -- a session that a look found whole on its server, just before filed files of it went
  unit_id integer not null references unit(id),
  run_id  integer not null references run(id),
  level   text not null check (level in ('names', 'pixels', 'bytes')),
  at      text not null,
  primary key (unit_id, run_id)
) strict, without rowid;

create table let_go (                 -- a filed file that is going to be removed: announced before it is done
  item_id  integer not null references item(id),
  position integer not null,          -- of the file in the manifest
  run_id   integer not null references run(id),
  at       text not null,
  primary key (item_id, position)
) strict, without rowid;

create table retention (              -- how the last try to let the copy of an item go has ended
  item_id integer primary key references item(id),
  outcome text not null check (outcome in ('gone', 'rest', 'kept')),  -- rest: what was never sent stays
  detail  text not null,
  at      text not null
) strict;

create trigger let_go_needs_a_sighting before insert on let_go
  when not exists (
    select 1 from file f join receipt r on r.unit_id = f.unit_id join sighting s on s.unit_id = f.unit_id
    where f.item_id = new.item_id and f.position = new.position and r.place = 'archive' and s.run_id = new.run_id)
    or (select phase from item where id = new.item_id) is not 'done'
  begin select raise(abort, 'nothing shows that the server holds this file now'); end;
create trigger let_go_unchanged before update on let_go begin select raise(abort, 'what is let go is append-only'); end;
create trigger let_go_kept before delete on let_go begin select raise(abort, 'what is let go is append-only'); end;
create trigger sighting_unchanged before update on sighting begin select raise(abort, 'sightings are append-only'); end;
create trigger sighting_kept before delete on sighting begin select raise(abort, 'sightings are append-only'); end;
