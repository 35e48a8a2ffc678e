"""From ratings to arrays: where rows come from, how they are cached and split."""
