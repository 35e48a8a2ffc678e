"""Seven benchmarks: trial, startup, study, distributed, many_trials, scale and serving."""
