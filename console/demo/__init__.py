"""The throw-away deployment with planted faults that `lsconsole demo` starts."""
