"""How fast the gateway is beside the textbook way to build one; `python -m bench` runs it all."""
