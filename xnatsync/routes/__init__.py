"""What differs between the kinds of routes: how to list a side, and how to act on it."""
