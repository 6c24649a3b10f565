"""Exports: a network as one file that other runtimes run without wavesep."""

from .files import FORMATS, export_model

__all__ = ["FORMATS", "export_model"]
