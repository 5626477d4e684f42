"""``python -m qsr_jax`` is the command ``qsr``."""

from qsr_jax.cli import main

if __name__ == "__main__":
    main()
