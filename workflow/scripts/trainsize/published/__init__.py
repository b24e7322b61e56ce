"""What the published studies printed, and the versions in which they are run here."""
