"""Models for programs that do not have this package: SavedModel, LiteRT, ONNX."""

from tangshi_tf.exporting.files import QUANTIZATIONS
from tangshi_tf.exporting.folder import FORMATS, MARK, export, require_room

__all__ = ['FORMATS', 'MARK', 'QUANTIZATIONS', 'export', 'require_room']
