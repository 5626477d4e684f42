"""Numbers, tables and plots: how values become text, HTML, LaTeX and lines."""
