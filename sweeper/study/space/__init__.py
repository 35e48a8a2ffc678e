"""Search spaces: reads what a user wrote and turns it into what Optuna samples."""
