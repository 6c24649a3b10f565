"""The U-Net of Jansson et al. (2017): its architecture, its Keras network and its recipe."""
