"""qsr_jax: super-resolution of fast quantitative brain MRI, with the numbers kept honest."""

__version__ = "0.1.0"
