"""Measurements, run by `make bench`: never a timed test, always figures to report with the machine they came from."""
