"""Signal processing in plain NumPy: chunks, channels, resampling, scores. No Keras."""
