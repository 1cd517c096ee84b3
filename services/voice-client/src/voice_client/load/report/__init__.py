"""How a run is kept and shown: JSON, tables of text, one HTML page with plots, a comparison of two. Pure."""
