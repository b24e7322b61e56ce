"""The stage report: one page that answers the question of the study."""
