"""Everything that makes data: simulated studies, pairing, records, weight files (floor F4)."""
