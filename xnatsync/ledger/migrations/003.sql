-- The ledger, version 3: what a drop route's selection leaves out of an item.

-- The key that left a file out; it is listed with its reason like everything that is not delivered, and no unit ever takes it.
alter table file add column left_by text not null default ''
  check (left_by = '' or (kind = 'other' and unit_id is null));
create index file_left on file (item_id, left_by) where left_by <> '';
create index file_aside on file (item_id, position) where kind <> 'dicom' and left_by = '';
