"""Results as people read them: tables, confusion matrices, pictures and curves."""
