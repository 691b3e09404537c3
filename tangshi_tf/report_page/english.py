"""The sentences of a report in English: HTML, in which what stands in braces is put in, escaped."""

TEXTS = {
    # The top
    'title': 'Recurrent language models of Tang poems',
    'corpus': 'Corpus <b>{name}</b>: {train} poems to train on, {validation} for validation, {test} held out.',
    'list': ', ',
    'and': ' and ',
    # At a glance
    'summary': 'At a glance',
    'run': 'run',
    'model': 'model',
    'parameters': 'parameters',
    'epochs': 'epochs',
    'best_epoch': '(best: {epoch})',
    'parameters_of': '{count} parameters',
    'minutes': 'minutes',
    'perplexity': 'perplexity',
    'sound': 'sound poems',
    'reach': 'gradient reach',
    'of': '{some} of {all}',
    'shape': '{cell}, {units} units',
    'shape_layers': '{cell}, {layers} × {units} units',
    'ngram': '{order}-gram',
    'more_than': '≥ {count}',
    'summary_note': (
        'Perplexity is of the held-out poems; lower is better. Sound poems are those of the exercise’s seven begin '
        'words, from the zero state and from random ones, written by its bare loop. Gradient reach is counted in '
        'characters. Each column has a section below.'),
    'best_run': '<b>{name}</b> predicts the held-out poems best: its perplexity is {value}.',
    'only_run': 'The perplexity of <b>{name}</b> on the held-out poems is {value}.',
    'worst_run': 'The last is <b>{name}</b> with {value}.',
    'below_ngram': 'The best n-gram model, of order {order}, has {value}; the best run is {share} below it.',
    'above_ngram': (
        'The best n-gram model, of order {order}, has {value}; the best run is {share} above it: it has not learned '
        'as much yet as counting gives.'),
    # The models
    'models': 'The models',
    'chain': '{name}: {total} parameters',
    'models_text': (
        'A character-level language model reads a poem one character at a time and predicts the next one. An '
        'embedding turns each character into a vector <i>x</i>; a recurrent cell folds it into its state <i>h</i>, '
        'which is all that it remembers of the poem; the output layer makes of <i>h</i> a probability for each '
        'character of the vocabulary. The labels are the poem itself, one place on.'),
    'unrolled': (
        'The model in time. It begins with bos; at each step the label (above) is the character that comes next.'),
    'reads': 'reads',
    'predicts': 'predicts',
    'embedding': 'Embedding',
    'recurrent': 'Recurrent cell',
    'output': 'Output, softmax',
    'projection': 'Projection',
    'layer': '{cell}, layer {first}',
    'layers': '{cell}, layers {first}–{last}',
    'chains': 'Each box shows the width of what goes in and of what comes out, and below it the parameters.',
    'tied': 'The output layer of {names} is the embedding, transposed, so its parameters count once.',
    'adaptive': (
        'The softmax of {names} is adaptive: rare characters are grouped in classes, which saves time. It is as '
        'exact a distribution as a full softmax.'),
    'layer_norm': 'The outputs of the recurrent layers of {names} are normalised (layer normalisation).',
    # The equations
    'equations': 'The equations',
    'equations_text': (
        'Vectors are rows, σ is the logistic function and ⊙ multiplies element by element. The cells are those of '
        'Keras.'),
    'rnn': 'SimpleRNN',
    'lstm': 'LSTM',
    'gru': 'GRU',
    'rnn_text': (
        ' ({names}). The state passes through the same matrix and a tanh at each step, and so does its gradient on '
        'the way back.'),
    'lstm_text': (
        ' ({names}). The cell state <i>c</i> is only scaled by the forget gate <i>f</i> and added to, so its gradient '
        'survives where <i>f</i> is near 1.'),
    'gru_text': (
        ' ({names}), with <code>reset_after=True</code>: the reset gate <i>r</i> acts after the recurrent product, '
        'which has a bias of its own (<i>b</i>′); cuDNN needs that. Some texts swap <i>z</i> and 1 − <i>z</i>; it is '
        'the same model.'),
    'gru_before_text': (
        ' ({names}), with <code>reset_after=False</code>: the reset gate <i>r</i> acts on the state before the '
        'recurrent product. Some texts swap <i>z</i> and 1 − <i>z</i>; it is the same model.'),
    'output_equations': 'Output and perplexity',
    'output_text': (
        ' (all models). <i>L</i> is the mean over <i>T</i> tokens, punctuation and the end of each poem included, in '
        'nats. A perplexity of 1 would be perfect; guessing among <i>n</i> characters alike gives <i>n</i>.'),
    # Training
    'training': 'Training',
    'training_text': (
        'What each run recorded after each epoch. The loss is the one that was trained, so it compares only runs '
        'that average it alike and have the same penalties. Perplexity compares all runs with the same vocabulary.'),
    'loss_plot': 'Loss, nats',
    'validation_plot': 'Validation perplexity',
    'epoch': 'epoch',
    'loss_note': 'Solid: training. Dashed: validation.',
    'start_note': 'Epoch 0 is the trained model that a run began from.',
    'no_curves': 'No run recorded an epoch.',
    # Perplexity
    'perplexities': 'Perplexity',
    'perplexities_text': (
        'Measured on {poems} held-out poems, {tokens} tokens. Poems that share half of their lines are all in one '
        'part of the corpus, so that no held-out poem was seen in training.'),
    'ngram_text': (
        'The yardstick is an interpolated modified Kneser-Ney model (Chen and Goodman 1999), which only counts how '
        'often characters follow one another in the training part. A neural model that has learned something lies '
        'below it.'),
    'all_tokens': 'all tokens',
    'characters_alone': 'characters alone',
    'bits': 'bits a token',
    'by_form': 'By form',
    'other': 'other',
    'poems_count': 'poems',
    'vocabularies': (
        'The runs do not know the same characters: of the tokens, {list} are outside the vocabulary. A smaller '
        'vocabulary makes perplexity lower; compare with care. The n-gram models know the characters that all runs '
        'know.'),
    # Poems
    'poems': 'Poems',
    'poems_text': (
        'The exercise’s seven begin words. Its bare loop takes the most likely character at each step, up to 31, and '
        'begins at the begin word itself. The package’s default reads bos first, draws at temperature {temperature}, '
        'lets no character come twice, and leaves out a sentence that the limit cut. The state is zero, or drawn '
        'from a normal distribution with standard deviation {stddev} (seed {seed}).'),
    'sound_text': (
        'A poem is sound if it does not loop and has at least two lines of three to seven characters, of at most two '
        'lengths. Those that are not are marked †.'),
    'exercise': 'The exercise’s bare loop',
    'default': 'The package’s default',
    'zero': 'zero state',
    'random': 'random state',
    'sound_count': '{some} of {all} sound',
    'unknown_begins': 'Left out, since this run does not know the character: {list}.',
    'no_begins': 'None of the seven begin words is in the vocabulary of this run.',
    # How far gradients reach
    'gradients': 'How far gradients reach',
    'gradients_text': (
        'A recurrent net learns that two characters <i>k</i> steps apart belong together only if the gradient of the '
        'later one’s loss reaches back to the earlier state. At each step back a SimpleRNN multiplies it by the '
        'recurrent matrix and the slope of tanh, which shrinks it; the gates of LSTM and GRU can let it pass. The '
        'plot shows its norm, as a share of that at distance 0, averaged over {poems} held-out poems.'),
    'gradients_definition': (
        'The loss is that of the token after {distance} characters. The state is all that a step hands on to the '
        'next: <i>h</i> of each layer, for the LSTM also <i>c</i>; at distance 0, <i>h</i> of the last layer '
        '(Pascanu et al. 2013). A line that falls straight on this scale vanishes exponentially.'),
    'gradient_plot': 'Norm of the gradient, share of that at distance 0',
    'distance': 'distance k, characters',
    'at_distance': 'k',
    'reaches': 'Before it falls below {share} of its first value, the gradient reaches back:',
    'reach_of': '{count} characters in {names}',
    'reach_beyond': '{count} characters or more in {names}',
    'gates_closed': (
        'Here a run with gates reaches no further than one without. Gates learn to let the gradient pass only in '
        'training, so this is usual after few epochs or few poems.'),
    'then': '; ',
    'stop': '.',
    'too_short': 'The held-out poems are too short for this.',
    # Settings
    'settings': 'Settings',
    'settings_text': (
        'Only settings that a run changed are listed; bold is what differs from the default of '
        '<code>tangshi_tf.train</code>.'),
    'setting': 'setting',
    'default_value': 'default',
    'common': 'The other settings have their defaults in all runs:',
    'no_settings': 'All runs have all defaults.',
    'commands': 'The commands',
    'unrecorded': 'not recorded',
    'made': 'Made with tangshi_tf {version}. Weights: {weights}. SHA-256 of the corpus: {digest}',
}
