"""Experiments: `simulate` is one run of a scenario, `compare` several policies on the same work."""
