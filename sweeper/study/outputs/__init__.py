"""Shows and writes the results of a study: live view, leaderboard, best.yaml."""
