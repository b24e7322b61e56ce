"""What everything else stands on: files, tables, messages, schemas, fingerprints. Determines no result."""
