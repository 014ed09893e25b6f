"""Tables: from the columns of a file or a data frame to a model."""
