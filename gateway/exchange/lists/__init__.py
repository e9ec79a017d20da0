"""Complete lists: assembled from their parts, weighed against what stood, held for a person where they change too much."""
