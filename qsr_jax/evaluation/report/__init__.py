"""From tables to a page: figures, hover curves, templates."""
