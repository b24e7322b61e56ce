"""What the published studies printed, and the forms in which they are run here."""
