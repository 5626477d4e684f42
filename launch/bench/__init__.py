"""Throughput, memory and beside what: python -m launch.bench."""
