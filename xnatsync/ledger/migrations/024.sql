-- The ledger, version 24: what needs a person, and the messages that say so.

create table cause (                  -- from when to when something was the matter
  id        integer primary key autoincrement,
  state     text not null,
  place     text not null,            -- route NAME, server NAME, job NAME, agent, ledger
  code      text not null,
  many      integer not null,
  since     text not null,            -- as far as it is known
  note      text not null,
  opened_at text not null,            -- when it was noticed
  seen_at   text not null,            -- when it was last noticed
  ended_at  text
) strict;
create unique index cause_open on cause (state, place, code) where ended_at is null;

create table notification (           -- the outbox: written down before it is sent
  id      text primary key,           -- is part of the message: one that comes twice is known by it
  target  text not null,              -- of a [notify.NAME]
  title   text not null,
  body    text not null,
  good    integer not null check (good in (0, 1)),  -- says only what is over
  made_at text not null,
  next_at text,                       -- when it is tried; null: it was sent
  tries   integer not null default 0,
  sent_at text,
  failed  text,                       -- why the last try failed, in words of ours
  check ((next_at is null) = (sent_at is not null))
) strict, without rowid;
create index notification_waiting on notification (target, made_at) where next_at is not null;
create index notification_made on notification (target, made_at);

create table notified (               -- which causes a message says
  notification text not null references notification(id) on delete cascade,
  cause_id     integer not null references cause(id) on delete cascade,
  what         text not null check (what in ('new', 'reminder', 'resolved')),
  primary key (notification, cause_id)
) strict, without rowid;
create index notified_cause on notified (cause_id);

create index item_asks on item (route, code) where hold = 'person';
create index unit_asks on unit (route, code) where hold = 'person';
create index owner_asks on owner (route, code) where hold = 'person';
create index item_arrival on item (route, seen_at);
