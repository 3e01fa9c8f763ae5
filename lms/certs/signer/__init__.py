"""The process that holds one organisation's key and signs for it, after its own judgement."""
