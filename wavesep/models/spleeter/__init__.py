"""The U-Net of Spleeter (Hennequin et al., 2020): its architecture and its Keras network."""
