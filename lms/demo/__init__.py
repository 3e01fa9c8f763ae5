"""A demonstration on one machine: organisations, signers, people, courses and a story played once."""
