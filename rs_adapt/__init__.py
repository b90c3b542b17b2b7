"""rs-adapt: domain adaptation and generalization experiments in remote-sensing semantic segmentation."""

__version__ = "0.1.0"
