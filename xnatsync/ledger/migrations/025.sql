-- The ledger, version 25: what came of an import is known by its objects, and not by what was asked for.

alter table import_row drop column committed;
