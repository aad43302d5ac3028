"""One module for each thing that can be asked for; `App` wires ports, ledger and routes."""
