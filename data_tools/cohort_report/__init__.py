"""The cohort report: one page that says what a simulated cohort is worth."""
