"""A simulated subject through a scanner: acquisition, motion, reconstruction, fit."""
