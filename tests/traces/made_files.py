"""A small file of each format, made by hand, with the trace that it is."""

IRISH = """Timestamp,CellID,DL_bitrate,UL_bitrate,State,PINGAVG
2019.12.31_23.59.58,1,1000,10,D,-
2019.12.31_23.59.59,1,3000,30,D,80.0
2019.12.31_23.59.59,1,5000,50,D,-
2020.01.01_00.00.02,1,0,0,I,60.0
"""
IPERF3 = """{"start": {"test_start": {"omit": 1}}, "intervals": [
{"sum": {"start": 0, "end": 1, "seconds": 1, "bits_per_second": 2e6, "omitted": true}},
{"sum": {"start": 0, "end": 1, "seconds": 1, "bits_per_second": 8e6, "lost_percent": -nan, "omitted": false}},
{"sum": {"start": 1, "end": 1.5, "seconds": 0.5, "bits_per_second": 6e6, "omitted": false}}],
"end": {}}
"""
OBOE = "15 3000\n500 3000\n600 4000\n2600 4000\n2700 100\n9000 100\n"
# text, times [s], rates [bit/s], duration [s]
KNOWN = {
    "mdisim": ("# source: made by hand\n# end: hold\ntime_s,rate_bps\n0,8e6\n1.5,0\n", [0, 1.5], [8e6, 0], 3.0),
    "mahimahi": ("50\n50\n100\n101\n350\n", [0, 0.1, 0.2], [360e3, 120e3, 80e3], 0.35),
    "pensieve": ("0\t9.9\n1.0\t4\n3.0\t2.5\n", [0, 1], [4e6, 2.5e6], 3.0),
    "json": ('[{"duration_ms": 500, "bandwidth_kbps": 8, "latency_ms": 20}, '
             '{"duration_ms": 1500, "bandwidth_kbps": 0, "latency_ms": 40}]', [0, 0.5], [8e3, 0], 2.0),
    "iperf3": (IPERF3, [0, 1], [8e6, 6e6], 1.5),
    "irish5g": (IRISH, [0, 1, 4], [1e6, 4e6, 0], 5.0),
    "oboe": (OBOE, [0, 0.5, 2.6], [3e6, 4e6, 1e5], 9.0),
}  # fmt: skip
