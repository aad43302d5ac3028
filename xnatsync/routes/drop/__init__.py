"""The drop route: what lies in a folder goes to the archive, is proven there, and filed."""
