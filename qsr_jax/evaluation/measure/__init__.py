"""From one subject's maps to tidy values: every later number comes from these rows."""
