"""Maintenance of Label Studio's database: what can be done, what it costs, and doing it without holding anybody up."""
