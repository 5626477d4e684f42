"""One day with a GPU: every number that waits for one, in one run (docs/gpu_day.md)."""
