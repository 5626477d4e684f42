"""One table of the report per file: its rows, how they are computed, its LaTeX and page."""
