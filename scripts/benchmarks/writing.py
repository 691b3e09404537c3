"""How long poems take, one and 512 at a time."""

import statistics
import time

from reporting import report

from tangshi_tf import controls, corpus


def measure_single(times: str):
  """Times single poems, so many times each: of 30 characters, and in a form."""
  import exercise

  from tangshi_tf import decoding, run_dir
  from tangshi_tf.model import devices
  devices.start()
  run, endless = run_dir.load('rnn'), _untrained()
  plain = exercise.myRNNModel(run.word2id, 'rnn')
  assert len(decoding.gen_poem('日', model=endless, max_len=29)) == 30
  cases = {'stepwise_ms': lambda: len(exercise.gen_poem('日', plain, run.word2id, 1)),
           'single_ms': lambda: len(decoding.gen_poem('日', model=endless, max_len=29))}
  best, gru = run_dir.load('best'), run_dir.load('gru')
  by_best, by_gru = _writer_in_form(best), _writer_in_form(gru)
  told = controls.Direction(form='七绝', title='边塞').ids(best.word2id)
  cases |= {'form_gru_single_ms': lambda: by_gru(1), 'form_best_single_ms': lambda: by_best(1),
            'form_best_title_ms': lambda: by_best(1, told=told),
            'form_best_guided_ms': lambda: by_best(1, told=told, guidance=1)}
  _time(cases, int(times))


def measure_many(times: str):
  """Times 512 poems at once, so many times each: of 30 characters, that end by themselves, and in a form."""
  from tangshi_tf import decoding, run_dir
  from tangshi_tf.model import devices
  devices.share_cores()  # as `generate` does
  devices.start()

  def several(model, **options):
    requests = [(corpus.SAMPLE_BEGINS[i % 7], i) for i in range(512)]
    return sum(map(len, decoding.generate(requests, model=model, init='random', **options)))

  endless, gru = _untrained(), _without_eos(run_dir.load('gru').model)
  rnn = run_dir.load('rnn').model
  by_best, by_gru = _writer_in_form(run_dir.load('best')), _writer_in_form(run_dir.load('gru'))
  _time({
      'batch512_chars_per_s': lambda: several(endless, max_len=29),
      'batch512_sampling_chars_per_s': lambda: several(endless, max_len=29, temperature=0.8),
      'batch512_gru_chars_per_s': lambda: several(gru, max_len=29),
      'batch512_gru_sampling_chars_per_s': lambda: several(gru, max_len=29, temperature=0.8),
      'batch512_natural_chars_per_s': lambda: several(rnn, bos_first=True, temperature=0.8),
      'form_gru_batch512_chars_per_s': lambda: by_gru(512),
      'form_best_batch512_chars_per_s': lambda: by_best(512),
  }, int(times))


def _untrained():
  """Returns a model of the exercise's sizes whose poems never end."""
  from tangshi_tf import model, run_dir
  return _without_eos(model.myRNNModel(run_dir.load('rnn').word2id))


def _without_eos(model):
  bias = model.dense.bias.numpy()
  bias[model.word2id[corpus.end_token]] = -1e9
  model.dense.bias.assign(bias)
  return model


def _writer_in_form(shipped):
  """Returns a function that writes so many 七绝 with a shipped model and returns how many characters they have."""
  from tangshi_tf import decoding, prosody
  plan = decoding.FormPlan(prosody.FORMS['七绝'], shipped.word2id)

  def write(count, **options):
    poems = decoding.generate((('', seed) for seed in range(count)), model=shipped.model, plan=plan, temperature=0.8,
                              max_repeat=1, **options)
    return sum(map(len, poems))

  return write


def _time(cases: dict, times: int):
  """Reports the median of each case, milliseconds or characters a second, after a first time to warm up."""
  figures = {}
  for name, case in cases.items():
    case()
    values = []
    for _ in range(times):
      start = time.perf_counter()
      characters = case()
      seconds = time.perf_counter() - start
      values.append(1e3 * seconds if name.endswith('_ms') else characters / seconds)
    figures[name] = statistics.median(values)
  report(**figures)
