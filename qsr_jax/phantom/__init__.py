"""A simulated subject: where every tissue lies and what it measures."""
