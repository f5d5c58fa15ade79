"""The command line, one file per command; composes what lies below."""
