-- The ledger, version 14: what DICOM receivers confirmed to have, so that it is not sent again (ADR 17).

create table confirmed (
  peer    text not null,                        -- host:port
  called  text not null,                        -- its AE title
  sop_uid text not null,
  sha256  blob not null check (length(sha256) = 32),  -- of the whole file: another content is another matter
  status  integer not null check (status between 0 and 65535),  -- as the receiver answered: success, or a warning
  at      text not null,
  primary key (peer, called, sop_uid, sha256)
) strict, without rowid;
