"""Architectures by name: the arguments of the networks, and where they come from."""

from typing import Any

from .spectrogram import JANSSON, MASK_CNN, UNET, UNET_STEREO, VOCAL_ACTIVITY

# The network of J. Vossen's post, to the letter: 3,196,418 parameters, 70 ms of context.
POST: dict[str, Any] = {
    "filters": 128,
    "skip_filters": 192,
    "kernel_size": 2,
    "stacks": 3,
    "layers_per_stack": 10,
    "dilation_base": 2,
    "frame_size": 1,
    "channels": 2,
    "targets": 1,
    "head": (),
    "filterbank": 0,
    "cell_filters": 32,
    "activation": "relu",
}

# Folding 32 samples into a frame makes 1.1 s of context cost less than a tenth of the above:
# 3,174,592 parameters. Linear 1x1 convolutions and a ReLU head, as in van den Oord et al.
FOLDED = POST | {
    "skip_filters": 128,
    "kernel_size": 3,
    "layers_per_stack": 8,
    "frame_size": 32,
    "head": (128,),
    "activation": "linear",
}

# A learned filterbank in front of the layers and behind them: they see 2.8 s, frequency by
# frequency, in frames of 46 ms, and weigh it.
# One channel, so that what is panned or wide says nothing: left and right are separated apart.
FILTERBANK = FOLDED | {
    "filters": 192,
    "skip_filters": 192,
    "layers_per_stack": 3,
    "frame_size": 2048,
    "channels": 1,
    "head": (),
    "filterbank": 256,
    "cell_filters": 64,
}

PRESETS = {
    "vossen2019": POST,
    "folded": FOLDED,
    "filterbank": FILTERBANK,
    # The same context in 16-sample frames with a third of the parameters, 895,840.
    "folded_small": FOLDED
    | {
        "filters": 64,
        "skip_filters": 64,
        "layers_per_stack": 9,
        "frame_size": 16,
        "head": (64,),
    },
}

# Of `FrameCnn` and `UNet`: the kind, the sample rate in Hz, the arguments.
SPECTROGRAM_PRESETS = {
    "vocal_activity": ("frame_cnn", 22_050, VOCAL_ACTIVITY),
    "mask_cnn": ("frame_cnn", 22_050, MASK_CNN),
    "unet": ("unet", 22_050, UNET),
    "unet_mono": ("unet", 8_192, JANSSON),
    "unet_stereo": ("unet", 44_100, UNET_STEREO),
}
