"""Recommenders that are networks, trained by the one loop of `train` (extra `deep`); one file per method."""
