"""Tables of what people decide about boards and entries, beside those of `models`."""
