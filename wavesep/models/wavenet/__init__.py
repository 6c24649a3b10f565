"""The WaveNet on raw samples: its architecture, its Keras network and its recipe."""
