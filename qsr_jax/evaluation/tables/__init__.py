"""From tidy values to tables: rows, how they are computed, worded and saved."""
