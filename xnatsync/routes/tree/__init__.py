"""Trees of files in agreement with a project's resources: mirrors, and pushes the other way."""
