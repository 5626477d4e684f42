"""Where tissues and regions lie: atlases, registration, segmentation, labels."""
