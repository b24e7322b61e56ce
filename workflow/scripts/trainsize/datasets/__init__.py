"""The known data sets, those described in study files, and prepared ones."""
