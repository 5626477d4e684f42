"""What the scanner does: signal, acquisition, fit; and the simulated people it scans (floor F1)."""
