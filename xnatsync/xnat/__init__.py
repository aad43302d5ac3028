"""The REST client: the only part of the product that knows a URL of XNAT."""
