"""Networks as graphs of OpenVINO operations, run on the CPU without Keras."""
