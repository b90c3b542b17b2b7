"""Inspection of a model, block by block: records, feature maps and the page that shows them."""
