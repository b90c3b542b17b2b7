"""Trained models on images: loading of checkpoints, evaluation, submissions, inspection."""
