"""All sentences of a report, in English and Chinese."""

import html

LANGUAGES = ('en', 'zh')
_TAGS = {'en': 'en', 'zh': 'zh-CN'}

# By key: English, Chinese. They are HTML; what stands in braces is escaped when it is put in.
_TEXTS = {
    'title': ('Recurrent language models of Tang poems', '唐诗循环语言模型实验报告'),
    'corpus': ('Corpus <b>{name}</b>: {train} poems to train on, {validation} for validation, {test} held out.',
               '语料 <b>{name}</b>：训练 {train} 首，验证 {validation} 首，测试 {test} 首。'),
    'list': (', ', '、'),
    'and': (' and ', '和'),

    'summary': ('At a glance', '概览'),
    'run': ('run', '运行'),
    'model': ('model', '模型'),
    'parameters': ('parameters', '参数量'),
    'epochs': ('epochs', '轮数'),
    'minutes': ('minutes', '分钟'),
    'perplexity': ('perplexity', '困惑度'),
    'sound': ('sound poems', '成句的诗'),
    'reach': ('gradient reach', '梯度距离'),
    'of': ('{some} of {all}', '{some}/{all}'),
    'shape': ('{cell}, {units} units', '{cell}，{units} 单元'),
    'shape_layers': ('{cell}, {layers} × {units} units', '{cell}，{layers} 层 × {units} 单元'),
    'ngram': ('{order}-gram (Kneser-Ney)', '{order} 元模型（Kneser-Ney）'),
    'more_than': ('≥ {count}', '≥ {count}'),
    'summary_note': (
        'Perplexity is of the held-out poems; lower is better. Sound poems are those of the exercise’s seven begin words, '
        'from the zero state and from random ones, written by its bare loop. Gradient reach is counted in characters. '
        'Each column has a section below.',
        '困惑度在测试部分上测得，越低越好。“成句的诗”指练习的七个起始字分别从零状态和随机状态、用练习的原始循环写出的诗。'
        '梯度距离以字计。各列的含义见后文相应各节。'),
    'best_run': ('<b>{name}</b> predicts the held-out poems best: its perplexity is {value}.',
                 '<b>{name}</b> 对测试诗预测得最好，困惑度为 {value}。'),
    'only_run': ('The perplexity of <b>{name}</b> on the held-out poems is {value}.',
                 '<b>{name}</b> 在测试诗上的困惑度为 {value}。'),
    'worst_run': ('The last is <b>{name}</b> with {value}.', '最高的是 <b>{name}</b>，为 {value}。'),
    'below_ngram': ('The best n-gram model, of order {order}, has {value}; the best run is {share} below it.',
                    '最好的 n 元模型（{order} 元）为 {value}，最好的运行比它低 {share}。'),
    'above_ngram': ('The best n-gram model, of order {order}, has {value}; the best run is {share} above it: it has not '
                    'learned as much yet as counting gives.',
                    '最好的 n 元模型（{order} 元）为 {value}，最好的运行比它高 {share}：所学的还不如直接计数。'),

    'models': ('The models', '模型'),
    'models_text': (
        'A character-level language model reads a poem one character at a time and predicts the next one. An embedding '
        'turns each character into a vector <i>x</i>; a recurrent cell folds it into its state <i>h</i>, which is all '
        'that it remembers of the poem; the output layer makes of <i>h</i> a probability for each character of the '
        'vocabulary. The labels are the poem itself, one place on.',
        '字符级语言模型逐字读诗，并预测下一个字。嵌入层把每个字变成向量 <i>x</i>；循环单元把它并入状态 <i>h</i>，'
        '状态就是模型对前文的全部记忆；输出层由 <i>h</i> 算出词表中每个字的概率。标签就是向后错一位的原诗。'),
    'unrolled': ('The model in time. It begins with bos; at each step the label (above) is the character that comes next.',
                 '按时间展开的模型：从 bos 开始，每一步的标签（上方）就是下一个字。'),
    'reads': ('reads', '读入'),
    'predicts': ('predicts', '预测'),
    'embedding': ('Embedding', '嵌入层'),
    'recurrent': ('Recurrent cell', '循环单元'),
    'output': ('Output, softmax', '输出层，softmax'),
    'projection': ('Projection', '投影层'),
    'characters': ('characters', '字'),
    'layer': ('{cell}, layer {first}', '{cell}，第 {first} 层'),
    'layers': ('{cell}, layers {first}–{last}', '{cell}，第 {first}–{last} 层'),
    'chain': ('{name}: {total} parameters. Each box shows the width of what goes in and out, and the parameters.',
              '{name}：共 {total} 个参数。每框内依次是输入输出的宽度和参数量。'),
    'tied': ('The output layer of {names} is the embedding, transposed, so its parameters count once.',
             '{names} 的输出层就是嵌入矩阵的转置，参数只计一次。'),
    'adaptive': ('The softmax of {names} is adaptive: rare characters are grouped in classes, which saves time. It is as '
                 'exact a distribution as a full softmax.',
                 '{names} 使用自适应 softmax：罕见字按类分组以节省时间，它同样是严格的概率分布。'),
    'layer_norm': ('The outputs of the recurrent layers of {names} are normalised (layer normalisation).',
                   '{names} 的循环层输出经过层归一化。'),

    'equations': ('The equations', '公式'),
    'equations_text': (
        'Vectors are rows, σ is the logistic function and ⊙ multiplies element by element. The cells are those of Keras.',
        '向量均为行向量，σ 为 logistic 函数，⊙ 为逐元素相乘。所用单元即 Keras 的实现。'),
    'rnn': ('SimpleRNN', 'SimpleRNN'),
    'lstm': ('LSTM', 'LSTM'),
    'gru': ('GRU', 'GRU'),
    'rnn_text': ('of {names}. The state passes through the same matrix and a tanh at each step, and so does its gradient '
                 'on the way back.',
                 '{names}。状态每一步都经过同一个矩阵和 tanh，梯度反传时也是如此。'),
    'lstm_text': ('of {names}. The cell state <i>c</i> is only scaled by the forget gate <i>f</i> and added to, so its '
                  'gradient survives where <i>f</i> is near 1.',
                  '{names}。细胞状态 <i>c</i> 只被遗忘门 <i>f</i> 缩放再相加，所以 <i>f</i> 接近 1 时梯度得以保留。'),
    'gru_text': ('of {names}, with <code>reset_after=True</code>: the reset gate <i>r</i> acts after the recurrent '
                 'product, which has a bias of its own (<i>b</i>′); cuDNN needs that. Some texts swap <i>z</i> and '
                 '1 − <i>z</i>; it is the same model.',
                 '{names}，<code>reset_after=True</code>：重置门 <i>r</i> 作用在循环乘积之后，该乘积另有偏置 <i>b</i>′，'
                 '这是 cuDNN 的要求。有的资料把 <i>z</i> 与 1 − <i>z</i> 对调，是同一个模型。'),
    'gru_before_text': ('of {names}, with <code>reset_after=False</code>: the reset gate <i>r</i> acts on the state '
                        'before the recurrent product. Some texts swap <i>z</i> and 1 − <i>z</i>; it is the same model.',
                        '{names}，<code>reset_after=False</code>：重置门 <i>r</i> 在循环乘积之前作用于状态。'
                        '有的资料把 <i>z</i> 与 1 − <i>z</i> 对调，是同一个模型。'),
    'output_equations': ('Output and perplexity', '输出与困惑度'),
    'output_text': ('The perplexity of <i>T</i> tokens, punctuation and the end of each poem included. 1 would be perfect; '
                    'guessing among <i>n</i> characters alike gives <i>n</i>.',
                    '对 <i>T</i> 个记号（含标点和每首诗的结尾）求困惑度。1 为完美；在 <i>n</i> 个字中均匀猜测时为 <i>n</i>。'),

    'training': ('Training', '训练'),
    'training_text': (
        'What each run recorded after each epoch. The loss is the one that was trained, so it compares only runs that '
        'average it alike and have the same penalties. Perplexity compares all runs with the same vocabulary.',
        '各次运行每轮结束后的记录。损失是训练时实际所用的损失，只有平均方式和惩罚项相同的运行才可用它比较；'
        '词表相同的运行都可用困惑度比较。'),
    'loss_plot': ('Loss, nats', '损失（奈特）'),
    'validation_plot': ('Validation perplexity', '验证困惑度'),
    'epoch': ('epoch', '轮'),
    'loss_note': ('Solid: training. Dashed: validation.', '实线：训练；虚线：验证。'),
    'start_note': ('Epoch 0 is the trained model that a run began from.', '第 0 轮是该运行所基于的已训练模型。'),
    'no_curves': ('No run recorded an epoch.', '没有任何运行记录过完整的一轮。'),

    'perplexities': ('Perplexity', '困惑度'),
    'perplexities_text': (
        'Measured on {poems} held-out poems, {tokens} tokens. Poems that share half of their lines are all in one part of '
        'the corpus, so that no held-out poem was seen in training.',
        '在 {poems} 首测试诗、{tokens} 个记号上测得。有一半诗句相同的诗都划在语料的同一部分，所以训练中没有见过测试诗。'),
    'ngram_text': (
        'The yardstick is an interpolated modified Kneser-Ney model (Chen and Goodman 1999), which only counts how often '
        'characters follow one another in the training part. A neural model that has learned something lies below it.',
        '比较的标尺是插值修正 Kneser-Ney 模型（Chen and Goodman 1999），它只统计训练部分中字与字相继出现的次数。'
        '学到东西的神经模型应低于它。'),
    'all_tokens': ('all tokens', '全部记号'),
    'characters_alone': ('characters alone', '仅汉字'),
    'bits': ('bits a token', '每记号比特'),
    'by_form': ('By form', '按诗体'),
    'other': ('other', '其他'),
    'poems_count': ('poems', '首数'),
    'vocabularies': (
        'The runs do not know the same characters: of the tokens, {list} are outside the vocabulary. A smaller vocabulary '
        'makes perplexity lower; compare with care. The n-gram models know the characters that all runs know.',
        '各运行的词表不同，词表外的记号数为：{list}。词表越小困惑度越低，比较时须小心。n 元模型只用各运行共有的字。'),
    'unknown_of': ('{name} {count}', '{name} {count}'),

    'poems': ('Poems', '诗'),
    'poems_text': (
        'The exercise’s seven begin words. Its bare loop takes the most likely character at each step, up to 31, and '
        'begins at the begin word itself. The package’s default reads bos first, draws at temperature {temperature}, lets '
        'no character come twice, and leaves out a sentence that the limit cut. The state is zero, or drawn from a normal '
        'distribution with standard deviation {stddev} (seed {seed}).',
        '练习的七个起始字。原始循环每步取最可能的字，至多 31 字，直接从起始字开始。本软件包的默认方式先读入 bos，'
        '以温度 {temperature} 抽样，字不重复，并去掉被长度限制截断的句子。状态或为零，或取自标准差 {stddev} 的正态分布'
        '（种子 {seed}）。'),
    'sound_text': (
        'A poem is sound if it does not loop and has at least two lines of three to seven characters, of at most two '
        'lengths. Those that are not are marked †.',
        '一首诗若不打转，且至少有两行、每行三至七字、行长至多两种，即为“成句”；不成句的以 † 标出。'),
    'exercise': ('The exercise’s bare loop', '练习的原始循环'),
    'default': ('The package’s default', '软件包的默认方式'),
    'begin': ('begin', '起始字'),
    'zero': ('zero state', '零状态'),
    'random': ('random state', '随机状态'),
    'sound_count': ('{some} of {all} sound', '{all} 首中 {some} 首成句'),
    'no_begins': ('None of the seven begin words is in the vocabulary of this run.', '七个起始字都不在该运行的词表中。'),

    'gradients': ('How far gradients reach', '梯度能传多远'),
    'gradients_text': (
        'A recurrent net learns that two characters <i>k</i> steps apart belong together only if the gradient of the later '
        'one’s loss reaches back to the earlier state. The plot shows its norm there, as a share of that at distance 0, '
        'averaged over {poems} held-out poems.',
        '循环网络要学到相隔 <i>k</i> 步的两个字有关，后一个字的损失的梯度必须能传回先前的状态。图中是该梯度的范数，'
        '以距离 0 处为 1，对 {poems} 首测试诗取平均。'),
    'gradients_definition': (
        'The loss is that of the token after {distance} characters. The state is all that a step hands on to the next: '
        '<i>h</i> of each layer, for the LSTM also <i>c</i>; at distance 0, <i>h</i> of the last layer (Pascanu et al. '
        '2013). A line that falls straight on this scale vanishes exponentially.',
        '损失取第 {distance} 个字之后的那个记号。状态指一步传给下一步的全部内容：各层的 <i>h</i>，LSTM 还有 <i>c</i>；'
        '距离 0 处为最后一层的 <i>h</i>（Pascanu 等，2013）。在此对数坐标上直线下降即指数消失。'),
    'gradient_plot': ('Norm of the gradient, share of that at distance 0', '梯度范数（与距离 0 处之比）'),
    'distance': ('distance k, characters', '距离 k（字）'),
    'at_distance': ('k', 'k'),
    'reaches': ('Down to 1% of its first value the gradient reaches back {list}.', '梯度衰减到初值的 1% 之前，可传回：{list}。'),
    'reach_of': ('{count} characters in {name}', '{name} {count} 字'),
    'reach_beyond': ('{count} characters or more in {name}', '{name} {count} 字以上'),
    'too_short': ('The held-out poems are too short for this.', '测试诗太短，无法测量。'),

    'settings': ('Settings', '设置'),
    'settings_text': ('Settings that differ from the defaults of <code>tangshi_tf.train</code> in some run; those that do '
                      'are bold.',
                      '至少在一次运行中与 <code>tangshi_tf.train</code> 默认值不同的设置；不同处以粗体标出。'),
    'setting': ('setting', '设置项'),
    'default_value': ('default', '默认值'),
    'common': ('All runs have the defaults of the others:', '其余设置在所有运行中均为默认值：'),
    'no_settings': ('All runs have all defaults.', '所有运行都使用全部默认值。'),
    'commands': ('The commands', '命令'),
    'unrecorded': ('not recorded', '未记录'),
    'made': ('tangshi_tf {version}. Corpus SHA-256 {digest}. Weights: {weights}.',
             'tangshi_tf {version}。语料 SHA-256 {digest}。权重：{weights}。'),
}


class Words:
  """The sentences in one language.

  Attributes:
    tag: the language, as HTML names it.
  """

  def __init__(self, language: str):
    self._place, self.tag = LANGUAGES.index(language), _TAGS[language]

  def __call__(self, key: str, **values: object) -> str:
    """Returns a sentence as HTML, with these values, which are escaped, in it."""
    return _TEXTS[key][self._place].format_map({name: html.escape(str(value)) for name, value in values.items()})

  def listed(self, parts: list[str]) -> str:
    """Returns HTML texts as one list in a sentence."""
    *most, last = parts
    return f'{self("list").join(most)}{self("and")}{last}' if most else last
