"""Policies that learn an exit or a threshold while they run: upper confidence bounds on published rewards."""
