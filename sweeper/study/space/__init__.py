"""The search space of a study: from what a user wrote to what Optuna samples."""
