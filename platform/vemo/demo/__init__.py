"""The whole loop on one machine, with real workers: what `make demo` runs."""
