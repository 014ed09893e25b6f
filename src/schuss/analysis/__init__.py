"""Numbers about runs and models, from which pictures are drawn. Nothing here draws."""
