-- The ledger, version 13: of how many files without a place is told is a number beside the text, as it is of troubles.

alter table unplaced add column many integer not null default 1 check (many > 0);
update unplaced set many = cast(detail as integer) where path = '' and detail like '_% files in all' and cast(detail as integer) > 0;
