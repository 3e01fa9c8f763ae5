"""Pages of leaderboards and challenges."""
