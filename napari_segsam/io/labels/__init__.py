"""Label maps in and out, each save proven by reading it back."""
