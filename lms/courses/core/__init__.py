"""Course files: their model, their checks, their rendering. Pure; knows no database and no web."""
