"""What follows from the figures of a study: how sure they are, what counted, what repeats."""
