"""Who may do what around a challenge, and when: its discussion, write-ups, winners. Boards: `policy`."""
