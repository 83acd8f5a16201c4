"""Where to cut a network between a device and the cloud: shortest paths, live re-planning, calibrated exits."""
