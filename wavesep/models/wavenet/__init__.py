"""The WaveNet on raw samples: its architecture, its Keras network, how it is trained."""
