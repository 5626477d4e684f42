"""The page that describes a simulated cohort as an instrument."""
