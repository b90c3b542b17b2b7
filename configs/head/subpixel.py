"""Sub-pixel convolution (arXiv 1609.05158) that is added to the bicubic interpolation; it starts at 0."""

head = dict(task="super-resolution")

model = dict(decode_head=dict())
