"""What goes in and what comes out, in which units."""
