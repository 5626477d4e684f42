"""tfds records: opened, sealed, read in batches or kept on the device."""
