"""schuss."""
