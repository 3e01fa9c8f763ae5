"""The verbs of certificates: ask for one, sign it together, keep status lists fresh, withdraw."""
