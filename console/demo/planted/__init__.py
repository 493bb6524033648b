"""The faults, one module per area. Each adds rows to a freshly restored database and notes them in the story."""
