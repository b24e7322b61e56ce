"""The stage training: networks, data on the device, and the loop."""
