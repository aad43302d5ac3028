-- The ledger, version 20: the running agent: how it stands, what a person paused, what ran by schedule.

create index request_waiting on request (id) where done_at is null;

create table standby (
  name text primary key,              -- of a route or a job; "" is everything
  at   text not null                  -- since when it is paused, because a person asked for it
) strict, without rowid;

create table job (
  name      text primary key,         -- of a route or of a [jobs.NAME]
  since     text not null,            -- since when the agent knows of it: what was due before is not missed
  began_at  text,
  ended_at  text,
  exit_code integer,
  code      text                      -- of the gravest failure
) strict, without rowid;

create table agent (
  one     integer primary key check (one = 1),
  pid     integer not null,
  boot_id text not null,
  since   text not null,
  beat_at text not null,              -- when it last said that it is at work
  told    text not null               -- JSON: what it says of itself
) strict;
