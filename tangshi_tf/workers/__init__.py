"""Processes that train together, without TensorFlow."""
