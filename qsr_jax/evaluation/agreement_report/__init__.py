"""Agreement statistics of anybody's table of values; the door ``launch.agreement``."""
