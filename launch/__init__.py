"""The doors of experiments: train, predict, evaluate, bench (floor F4)."""
