"""Studies in, records out: DICOM, pairing, the manifest, tfds records and batches."""
