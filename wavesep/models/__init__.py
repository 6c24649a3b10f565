"""The networks, their presets and their files."""
