"""What a real XNAT knows and decides, as plain Python without HTTP: simulations use the same model in process."""
