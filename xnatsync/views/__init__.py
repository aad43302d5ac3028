"""Results as blocks, JSON fields and HTML: one module for each report, for the command line and the page alike."""
