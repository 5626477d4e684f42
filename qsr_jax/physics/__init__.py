"""MR equations: MDME signal and fit, coils, SENSE, synthetic contrast. Pure functions of arrays."""
