"""How labeling's things look as JSON, and what may be asked of them."""
