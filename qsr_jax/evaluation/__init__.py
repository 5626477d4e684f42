"""What a method's maps are worth: numbers of every subject, tables, and the report (floor F5)."""
