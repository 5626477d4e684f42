"""tfds dataset folder of paired quantitative maps."""
