"""What every page shares: session, errors, guard, templates, languages; knows no domain."""
