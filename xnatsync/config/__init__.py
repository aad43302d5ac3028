"""The configuration: one TOML file, checked completely before anything is done, without any secret in it."""
