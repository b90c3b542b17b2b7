"""Velocity images of turbulence: simulation, files, coarse images and measures. Loads no torch."""

from __future__ import annotations
