"""The engine: one verb, `step`, for everything that is to be done; at most one outside effect in each."""
