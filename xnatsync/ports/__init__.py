"""What the engine asks of the outside: clock, disk, server.  Nothing here is a value."""
