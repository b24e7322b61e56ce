"""The stage download: data sets fetched, read, checked and prepared as arrays."""
