"""Where tfds's own command looks for the builder: ``tfds build`` in this folder."""

from qsr_jax.data.records.builder import PairsBuilder


class Builder(PairsBuilder):
    """Paired slices of one map; README.md and CITATIONS.bib beside this file describe them."""

    pkg_dir_path = None  # tfds then looks beside this file, not where the library's class lies
