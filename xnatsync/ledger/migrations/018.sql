-- The ledger, version 18: what an item that was seen waits for, beyond being quiet.

alter table item add column waits text not null default '';  -- in words; '' = for nothing but the settle time
alter table item add column waits_until text;                -- then it goes even so, or a person is asked
