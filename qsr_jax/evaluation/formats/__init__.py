"""Numbers, LaTeX and SVG: how values become text and lines."""
