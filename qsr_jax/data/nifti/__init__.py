"""NIfTI in and out, BIDS, atlas files; the only room that knows nibabel."""
