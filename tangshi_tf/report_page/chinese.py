"""The sentences of a report in Chinese, see `english`."""

TEXTS = {
    # The top
    'title': '唐诗循环语言模型实验报告',
    'corpus': '语料 <b>{name}</b>：训练 {train} 首，验证 {validation} 首，测试 {test} 首。',
    'list': '、',
    'and': ' 和 ',
    # At a glance
    'summary': '概览',
    'run': '运行',
    'model': '模型',
    'parameters': '参数量',
    'epochs': '轮数',
    'best_epoch': '（最佳：{epoch}）',
    'parameters_of': '参数量 {count}',
    'minutes': '分钟',
    'perplexity': '困惑度',
    'sound': '成诗',
    'reach': '梯度距离',
    'of': '{some}/{all}',
    'shape': '{cell}，{units} 单元',
    'shape_layers': '{cell}，{layers} 层 × {units} 单元',
    'ngram': '{order} 元模型',
    'more_than': '≥ {count}',
    'summary_note': (
        '困惑度在测试部分上测得，越低越好。“成诗”指作业的七个起始字分别从零状态和随机状态、用作业的原始循环写出的诗。'
        '梯度距离以字计。各列的含义见后文相应各节。'),
    'best_run': '<b>{name}</b> 对测试诗预测得最好，困惑度为 {value}。',
    'only_run': '<b>{name}</b> 在测试诗上的困惑度为 {value}。',
    'worst_run': '最高的是 <b>{name}</b>，为 {value}。',
    'below_ngram': '最好的 n 元模型（{order} 元）为 {value}，最好的运行比它低 {share}。',
    'above_ngram': '最好的 n 元模型（{order} 元）为 {value}，最好的运行比它高 {share}：所学的还不如直接计数。',
    # The models
    'models': '模型',
    'chain': '{name}：{total} 个参数',
    'models_text': (
        '字符级语言模型逐字读诗，并预测下一个字。嵌入层把每个字变成向量 <i>x</i>；循环单元把它并入状态 <i>h</i>，状态'
        '就是模型对前文的全部记忆；输出层由 <i>h</i> 算出词表中每个字的概率。标签就是向后错一位的原诗。'),
    'unrolled': '按时间展开的模型：从 bos 开始，每一步的标签（上方）就是下一个字。',
    'reads': '读入',
    'predicts': '预测',
    'embedding': '嵌入层',
    'recurrent': '循环单元',
    'output': '输出层，softmax',
    'projection': '投影层',
    'layer': '{cell}，第 {first} 层',
    'layers': '{cell}，第 {first}–{last} 层',
    'chains': '每框内是输入和输出的宽度，其下是参数量。',
    'tied': '{names} 的输出层就是嵌入矩阵的转置，参数只计一次。',
    'adaptive': '{names} 使用自适应 softmax：罕见字按类分组以节省时间，它同样是严格的概率分布。',
    'layer_norm': '{names} 的循环层输出经过层归一化。',
    # The equations
    'equations': '公式',
    'equations_text': '向量均为行向量，σ 为 logistic 函数，⊙ 为逐元素相乘。所用单元即 Keras 的实现。',
    'rnn': 'SimpleRNN',
    'lstm': 'LSTM',
    'gru': 'GRU',
    'rnn_text': '（{names}）。状态每一步都经过同一个矩阵和 tanh，梯度反传时也是如此。',
    'lstm_text': (
        '（{names}）。细胞状态 <i>c</i> 只被遗忘门 <i>f</i> 缩放再相加，所以 <i>f</i> 接近 1 时梯度得以保留。'),
    'gru_text': (
        '（{names}），<code>reset_after=True</code>：重置门 <i>r</i> 作用在循环乘积之后，该乘积另有偏置 <i>b</i>′，这'
        '是 cuDNN 的要求。有的资料把 <i>z</i> 与 1 − <i>z</i> 对调，是同一个模型。'),
    'gru_before_text': (
        '（{names}），<code>reset_after=False</code>：重置门 <i>r</i> 在循环乘积之前作用于状态。有的资料把 <i>z</i> '
        '与 1 − <i>z</i> 对调，是同一个模型。'),
    'output_equations': '输出与困惑度',
    'output_text': (
        '（所有模型）。<i>L</i> 是 <i>T</i> 个记号（含标点和每首诗的结尾）的平均值，单位为奈特。困惑度为 1 即完美；在'
        ' <i>n</i> 个字中均匀猜测时为 <i>n</i>。'),
    # Training
    'training': '训练',
    'training_text': (
        '各次运行每轮结束后的记录。损失是训练时实际所用的损失，只有平均方式和惩罚项相同的运行才可用它比较；词表相同的'
        '运行都可用困惑度比较。'),
    'loss_plot': '损失（奈特）',
    'validation_plot': '验证困惑度',
    'epoch': '轮',
    'loss_note': '实线：训练；虚线：验证。',
    'start_note': '第 0 轮是该运行所基于的已训练模型。',
    'no_curves': '没有任何运行记录过完整的一轮。',
    # Perplexity
    'perplexities': '困惑度',
    'perplexities_text': (
        '在 {poems} 首测试诗、{tokens} 个记号上测得。有一半诗句相同的诗都划在语料的同一部分，'
        '所以训练中没有见过测试诗。'),
    'ngram_text': (
        '比较的标尺是插值修正 Kneser-Ney 模型（Chen and Goodman 1999），它只统计训练部分中字与字相继出现的次数。学到'
        '东西的神经模型应低于它。'),
    'all_tokens': '全部记号',
    'characters_alone': '仅汉字',
    'bits': '每记号比特',
    'by_form': '按诗体',
    'other': '其他',
    'poems_count': '首数',
    'vocabularies': (
        '各运行的词表不同，词表外的记号数为：{list}。词表越小困惑度越低，比较时须小心。n 元模型只用各运行共有的字。'),
    # Poems
    'poems': '诗',
    'poems_text': (
        '作业的七个起始字。原始循环每步取最可能的字，至多 31 字，直接从起始字开始。本软件包的默认方式先读入 bos，以温'
        '度 {temperature} 抽样，字不重复，并去掉被长度限制截断的句子。状态或为零，或取自标准差 {stddev} 的正态分布（'
        '种子 {seed}）。'),
    'sound_text': '一首诗若不打转，且至少有两行、每行三至七字、行长至多两种，即为“成诗”；不成诗的以 † 标出。',
    'exercise': '作业的原始循环',
    'default': '软件包的默认方式',
    'zero': '零状态',
    'random': '随机状态',
    'sound_count': '{all} 首中 {some} 首成诗',
    'unknown_begins': '该运行的词表中没有以下起始字，故略去：{list}。',
    'no_begins': '七个起始字都不在该运行的词表中。',
    # How far gradients reach
    'gradients': '梯度能传多远',
    'gradients_text': (
        '循环网络要学到相隔 <i>k</i> 步的两个字有关，后一个字的损失的梯度必须能传回先前的状态。每往回一步，SimpleRNN '
        '都要乘上循环矩阵和 tanh 的斜率，梯度因而缩小；LSTM 和 GRU 的门则可以放它通过。图中是梯度的范数，'
        '以距离 0 处为 1，对 {poems} 首测试诗取平均。'),
    'gradients_definition': (
        '损失取第 {distance} 个字之后的那个记号。状态指一步传给下一步的全部内容：各层的 <i>h</i>，LSTM 还有 <i>c</i>；'
        '距离 0 处为最后一层的 <i>h</i>（Pascanu 等，2013）。在此对数坐标上直线下降即指数消失。'),
    'gradient_plot': '梯度范数（与距离 0 处之比）',
    'distance': '距离 k（字）',
    'at_distance': 'k',
    'reaches': '梯度降到初值的 {share} 以下之前，可传回：',
    'reach_of': '{names} {count} 字',
    'reach_beyond': '{names} {count} 字以上',
    'gates_closed': (
        '这里有门的模型并不比没有门的传得更远：门要经过训练才学会放梯度通过，轮数或诗作很少时常见。'),
    'then': '；',
    'stop': '。',
    'too_short': '测试诗太短，无法测量。',
    # Settings
    'settings': '设置',
    'settings_text': '只列出改动过的设置；与 <code>tangshi_tf.train</code> 默认值不同的以粗体标出。',
    'setting': '设置项',
    'default_value': '默认值',
    'common': '其余设置在所有运行中均为默认值：',
    'no_settings': '所有运行都使用全部默认值。',
    'commands': '命令',
    'unrecorded': '未记录',
    'made': '由 tangshi_tf {version} 生成。权重：{weights}。语料的 SHA-256：{digest}',
}
