"""The grading pipeline and its arithmetic; no database, no web."""
