-- The ledger, version 16: what rules decided, what a person assigned, and which lookup tables are in force.

alter table unit add column ruled text not null default '';       -- the rule that took it; '' = none did
alter table unit add column destination text check (destination in ('archive', 'prearchive'));  -- null = the route's
alter table unit add column collision text check (collision in ('hold', 'suffix'));             -- null = the route's

create table assignment (                       -- where a person said that a study belongs: it wins over every rule
  route     text not null references route(name),
  study_uid text not null,
  project   text not null,
  subject   text,                               -- null = as the route's templates make it
  session   text,
  at        text not null,
  primary key (route, study_uid)
) strict, without rowid;

create table lookup (                           -- lookup tables of rules: which content is in force, and what was told
  route   text not null references route(name),
  file    text not null,
  digest  text not null,                        -- of what is in force; '' = nothing
  refused text not null,                        -- why the file is refused; '' = it is not
  at      text not null,
  primary key (route, file)
) strict, without rowid;
