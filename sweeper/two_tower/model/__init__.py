"""The two-tower model: features, towers, the retrieval task."""
