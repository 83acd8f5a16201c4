"""A sound scenario that the tests change."""

TEXT = """\
profile: cifar10-mobilenetv2
devices:
  source: {kind: jetson-nano}
  worker: {kind: jetson-nano, count: 2}
network:
  topology: mesh
  link: {rate: 20 Mbps, latency: 2 ms}
workload:
  at: source
  arrivals: {kind: poisson, rate: 20/s}
policy: mdi-exit
run: {duration: 10 min, warmup: 1 min, seed: 1}
"""
