"""The networks, their presets and their model files."""
