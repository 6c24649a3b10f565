"""Networks as graphs of OpenVINO's own operations, run on the CPU. No Keras."""
