"""Decoding beside the network: maps become labels or scores in processes of their own."""

from zooscope.decoding.pool import Decoded, Decoders

__all__ = ["Decoded", "Decoders"]
