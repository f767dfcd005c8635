"""Many visitors at once; see `python -m benchmarks.load --help`."""
