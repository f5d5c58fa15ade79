"""``segsam ...``: one file per command; composes what lies below and decides nothing about images itself."""
