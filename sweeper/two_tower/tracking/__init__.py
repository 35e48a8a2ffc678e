"""Experiment trackers: what a trial tells TensorBoard, MLflow and Weights & Biases."""
