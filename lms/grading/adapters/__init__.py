"""The runner that puts notebooks into the jail; for the worker, never for the web."""
