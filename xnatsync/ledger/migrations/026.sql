-- The ledger, version 26: one session of an item that goes to several servers: a unit for each, of the same files.

alter table unit add column twin_of integer references unit(id);   -- the unit whose files it delivers as well
drop index unit_living;                                             -- one delivery of a study at a time to each project
create unique index unit_living on unit (item_id, study_uid, server, project) where phase not in ('closed', 'dismissed');
create index unit_twins on unit (twin_of) where twin_of is not null;

create trigger unit_twin_begins before insert on unit
  when new.twin_of is not null and not exists (
    select 1 from unit where id = new.twin_of and item_id = new.item_id and study_uid = new.study_uid
      and twin_of is null and (server, project) <> (new.server, new.project))
  begin select raise(abort, 'a twin delivers the study of its item elsewhere'); end;
create trigger unit_twin_stays before update of twin_of on unit
  begin select raise(abort, 'a twin stays one'); end;

drop trigger receipt_is_whole;
create trigger receipt_is_whole before insert on receipt
  when new.expected < (select count(*) from file where kind in ('dicom', 'other')
    and unit_id = (select coalesce(twin_of, id) from unit where id = new.unit_id))
  begin select raise(abort, 'a receipt vouches for the whole manifest of its unit'); end;

drop trigger item_needs_proof;
create trigger item_needs_proof before update of phase on item
  when new.phase in ('verified', 'done') and (
       not exists (select 1 from unit where item_id = new.id and phase in ('verified', 'closed'))
    or exists (select 1 from unit where item_id = new.id and phase not in ('verified', 'closed', 'dismissed'))
    -- A unit that was dismissed with an earlier manifest is over; one that this manifest counts on is missing.
    or exists (select 1 from unit where item_id = new.id and phase = 'dismissed'
               and exists (select 1 from file where unit_id = coalesce(unit.twin_of, unit.id)))
    or exists (select 1 from file where item_id = new.id and kind = 'dicom' and unit_id is null))
  begin select raise(abort, 'not every session of this item is proven'); end;

-- What is removed must be held everywhere.
drop trigger let_go_needs_a_sighting;
create trigger let_go_needs_a_sighting before insert on let_go
  when not exists (select 1 from file where item_id = new.item_id and position = new.position and unit_id is not null)
    or exists (
      select 1 from file f join unit u on coalesce(u.twin_of, u.id) = f.unit_id
      where f.item_id = new.item_id and f.position = new.position and u.phase <> 'dismissed' and not exists (
        select 1 from receipt r join sighting s on s.unit_id = r.unit_id
        where r.unit_id = u.id and r.place = 'archive' and s.run_id = new.run_id))
    or not exists (
      select 1 from file f join receipt r on r.unit_id = f.unit_id join sighting s on s.unit_id = f.unit_id
      where f.item_id = new.item_id and f.position = new.position and s.run_id = new.run_id)
    or (select phase from item where id = new.item_id) is not 'done'
  begin select raise(abort, 'nothing shows that the server holds this file now'); end;
create trigger removal_needs_all before insert on removal
  when exists (
    select 1 from file f join unit u on u.twin_of = f.unit_id
    where f.item_id = new.item_id and f.position = new.position and u.phase not in ('verified', 'closed'))
  begin select raise(abort, 'not every server holds this file'); end;
