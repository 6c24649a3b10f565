"""Systems: models by name, alone, at several speeds, filtered, or as a mean of several."""
