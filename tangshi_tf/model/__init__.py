"""The recurrent language model, its output layer and loss, and the device that computes them."""

from tangshi_tf.model.loss import (
    PRECISIONS,
    REDUCTIONS,
    ROWS,
    compute_loss,
    earlier_characters,
    fused_loss,
    linear_cross_entropy,
    linear_nll,
    mkMask,
    real_positions,
    reduce_avg,
    safe_sums,
)
from tangshi_tf.model.network import CELLS, HYPERPARAMETERS, MAX_EMBEDDING_RANGE, TiedDense, get_next_token, myRNNModel

__all__ = [
    'CELLS', 'HYPERPARAMETERS', 'MAX_EMBEDDING_RANGE', 'PRECISIONS', 'REDUCTIONS', 'ROWS', 'TiedDense',
    'compute_loss', 'earlier_characters', 'fused_loss', 'get_next_token', 'linear_cross_entropy', 'linear_nll',
    'mkMask', 'myRNNModel', 'real_positions', 'reduce_avg', 'safe_sums',
]
