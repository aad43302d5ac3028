-- The ledger, version 12: what became of heads.  Equal pixel data alone allow no removal any more.

-- 1: all but private elements came back as they were sent, none of the session has any left, and a script says it ran.
alter table evidence add column stripped integer not null default 0 check (stripped in (0, 1));

-- A file is removed only if its server gave back every byte of it, or, of an upload that it had acknowledged, all that a
-- server does not rewrite as a matter of course; of what a script stripped, all that it left, and the pixel data.
drop trigger removal_needs_evidence;
create trigger removal_needs_evidence before insert on removal
  when not exists (
    select 1 from file f join evidence e on e.unit_id = f.unit_id join receipt r on r.unit_id = f.unit_id
    where f.item_id = new.item_id and f.position = new.position and r.place = 'archive'
      and e.key = case f.kind when 'other' then 'attached/' || f.member else f.key end
      and (e.compared = 'bytes' or (e.acknowledged = 1
        and (e.compared = 'content' or (e.compared = 'pixels' and e.stripped = 1)))))
    or exists (select 1 from removal where item_id = new.item_id and position = new.position)
  begin select raise(abort, 'nothing shows that the server holds this file'); end;
