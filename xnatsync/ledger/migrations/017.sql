-- The ledger, version 17: what was signed.

create table certificate (                      -- of a transfer, at a moment; the files themselves are somebody's to keep
  id          text primary key,                 -- as it stands in both files
  run_id      integer not null references run(id),
  route       text not null references route(name),
  made_at     text not null,
  outcome     text not null check (outcome in ('complete', 'incomplete')),
  json_sha256 text not null check (length(json_sha256) = 64),
  html_sha256 text not null check (length(html_sha256) = 64),
  path        text not null                     -- of the JSON file, when it was written; the page lies beside it
) strict, without rowid;
create trigger certificate_stays before update on certificate
  begin select raise(abort, 'a certificate stays as it was made'); end;
create trigger certificate_kept before delete on certificate
  begin select raise(abort, 'certificates are kept'); end;
