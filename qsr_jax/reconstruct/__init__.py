"""From samples of a fingerprinting scan to maps: problem, methods, the denoiser contract."""
