"""What a run tells: progress while it goes on, and the log."""
