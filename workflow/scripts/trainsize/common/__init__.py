"""Shared helpers: files, tables, messages, schemas and fingerprints. Nothing here changes a result."""
