"""Everything that makes maps: interpolation, baselines, networks."""
