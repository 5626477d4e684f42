"""Image quality: one masked value per sample."""
