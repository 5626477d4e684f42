"""Nothing half-written stays at its final path: staged writing, digests, locks."""
