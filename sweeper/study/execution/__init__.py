"""What runs the trials: workers, the processes of their trials, and how these end."""
