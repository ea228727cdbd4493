"""nspd measured against its peers on one machine; see docs/benchmarks.md."""
