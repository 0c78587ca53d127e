"""Packaging: a trained run -> a BioImage.IO package. `export.export` is the way in."""
