"""Sweeps: many runs over points of a scenario's parameters, policies and seeds, on any executor, resumable.

`design` lays out points; `plan` checks them against the scenario and gives each run its key; `work` is what a
worker does; `crew` hands out the work and survives workers that die; `store` keeps one file per finished run;
`sweep` is the face of all of it.
"""
