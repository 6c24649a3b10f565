"""How fast wavesep is, beside other separators."""
