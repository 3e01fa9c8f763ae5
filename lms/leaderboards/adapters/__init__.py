"""Where authors' programs of challenges run."""
