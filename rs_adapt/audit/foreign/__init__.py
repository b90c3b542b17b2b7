"""Configurations that other programs of mmengine and mmcv run, read as data, and the data sets in them."""
