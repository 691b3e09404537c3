"""The recurrent language model, its loss, and the device that computes them.

Importing it registers `myRNNModel` with Keras, which `keras.models.load_model`
needs: Keras imports no module of other packages by itself.
"""

from tangshi_tf.model.arguments import CELLS
from tangshi_tf.model.language_model import require_model
from tangshi_tf.model.loss import compute_loss, mkMask, reduce_avg
from tangshi_tf.model.network import HYPERPARAMETERS, get_next_token, myRNNModel

__all__ = ['CELLS', 'HYPERPARAMETERS', 'compute_loss', 'get_next_token', 'mkMask', 'myRNNModel', 'reduce_avg',
           'require_model']
