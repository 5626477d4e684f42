"""Networks by name. A new generator is one file here and one line in :data:`GENERATORS`."""

from qsr_jax.models.srgan import Generator

GENERATORS = {"srgan": Generator}
