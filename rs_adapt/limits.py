"""The largest sizes that are accepted from files and settings that others may have written, each with its reason.

They are far above what is in use and far below what hurts a machine. Readers compare sizes with them before they
reserve memory, unpack, or build.
"""

from __future__ import annotations

# A name that becomes part of a path: file systems allow 255 bytes, and a prefix, a hash and an ending are added.
NAME_BYTES = 150

# A path below a data set's archive: file systems allow 4096 bytes, and patterns look at it several times.
PATH_CHARS = 1024

# Wildcards `*` in a pattern of names: each one more multiplies the ways to fit a name of many equal letters.
PATTERN_STARS = 6

# Of a model's settings, by the last part of the key. The largest published ViTs (DINOv3-7B) have 40 blocks, 4096
# channels and a hidden width of 8192; ViT-22B has 48, 6144 and 24576.
MODEL_SIZES = {
    "depth": 256,
    "embed_dim": 16_384,
    "mlp_dim": 65_536,
    "text_dim": 16_384,
    "num_heads": 1024,
    "num_queries": 10_000,
    "num_tokens": 10_000,
    "encoder_layers": 100,
    "decoder_layers": 100,
    "num_points": 1_000_000,
}
# Any other whole number in a model's settings (ranks, channels, widths).
MODEL_NUMBER = 1_000_000
# Memory that a pack's model may take beyond four times its files and the published backbone: heads and adapters that
# a pack holds are part of its files, and a model of the package's own sizes stays below it.
MODEL_SPARE_BYTES = 2**30
# Sides of tiles, crops and windows in px: the activations of a ViT on 16 384 px fill 100 GiB.
SIDE_PX = 16_384
# Crops of a batch, and processes that load them: more than any one machine takes.
BATCH = 4096
WORKERS = 256

# The scenes of the synthetic bench: 2^30 px take a minute a core and 4 GiB on disk.
SYNTHETIC_PX = 2**30
# Tiles of a synthetic split that a small stride would multiply.
SYNTHETIC_TILES = 200_000

# Confusion matrices of a run: 2^26 counts are 512 MiB as whole numbers of 64 bit (74 000 images of 30 classes).
COUNTS = 2**26
# Names and facts beside them: 74 000 names of 200 letters.
COUNTS_TEXT_BYTES = 2**25

# Records (JSON): the largest are the digests of a run's tiles, 150 bytes each for 400 000 tiles.
RECORD_BYTES = 2**26
# A configuration as Python text: those of runs have 20 kB, and parsing takes a hundred times the memory.
CONFIG_BYTES = 2**22
# A line of a training log: mmengine's are below 2 000 letters, with the scores of 100 classes.
LOG_LINE_CHARS = 20_000
# A training log, or curves: 200 MiB are a million lines.
LOG_BYTES = 2**28

# An image in a zip: 512 MiB of PNG are beyond any published tile or scene that is shipped in one.
ZIPPED_IMAGE_BYTES = 2**29
# How many times its packed size a member of a zip may have: DEFLATE reaches 1032 on zeros; pictures stay below 20, and
# label maps of one colour reach 500. Members below the size are accepted in any case.
ZIP_RATIO = 200
ZIP_SMALL_BYTES = 2**26
# Tensors that share memory or repeat it (stride 0): memory that they may take in proportion to their file.
TENSOR_RATIO = 4
TENSOR_SPARE_BYTES = 2**26
