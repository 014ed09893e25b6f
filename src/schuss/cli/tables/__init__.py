"""What the commands do with tables."""
