"""Signal processing in plain NumPy: chunks, channels, resampling, STFT, masks, scores. No Keras."""
