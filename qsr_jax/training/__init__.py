"""Training: state, steps, the one place that says pmap, and the one loop (floor F3)."""
