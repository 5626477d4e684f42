"""Predictors, what they are measured with, and the report (floors F2 and F3)."""
