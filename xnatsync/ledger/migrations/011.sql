-- The ledger, version 11: of how many files a trouble is told is a number beside the text, and no longer read from it.

alter table trouble add column many integer not null default 1 check (many > 0);
update trouble set many = cast(detail as integer) where path = '' and detail like '_% files in all' and cast(detail as integer) > 0;
