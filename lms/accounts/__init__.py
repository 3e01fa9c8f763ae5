"""Users, organisations, memberships, sign-in and the audit log."""
