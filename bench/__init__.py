"""The benchmarks: one command each, `python -m bench.NAME [--quick]`, peers and the bare engine in the same run."""
