-- The ledger, version 10: the quiet time of a deed can be shortened, for one that a clock which was ahead wrote down.

drop trigger deed_stays;
create trigger deed_stays before update on deed
  when new.id is not old.id or new.owner_id is not old.owner_id or new.run_id is not old.run_id
    or new.scan is not old.scan or new.label is not old.label or new.name is not old.name
    or new.sha256 is not old.sha256 or new.request_id is not old.request_id or new.began_at is not old.began_at
    or (old.ended_at is not null and (
      new.ended_at is not old.ended_at or new.outcome is not old.outcome or new.code is not old.code
      or new.quiet_at is null or new.quiet_at > old.quiet_at))
  begin select raise(abort, 'a deed stays what it was'); end;
