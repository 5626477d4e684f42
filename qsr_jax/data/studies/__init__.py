"""Which series belong together: pairing, quality, splits, the manifest."""
