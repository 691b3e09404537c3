"""The benchmark's parts, on a small corpus; its figures are nobody's business here."""

import sys

import pytest

from tangshi_tf.errors import UserError


@pytest.fixture(scope='module')
def benchmark(load_script):
  return load_script('benchmarks/benchmark')


def test_windows_of_training(benchmark, poems_file):
  with benchmark.measurements(('train', 'exercise', 'rnn', str(poems_file)),
                              ('train', 'float32', 'gru', str(poems_file)),
                              ('train', 'adaptive_tied', 'gru', str(poems_file))) as (exercise, package, adaptive):
    for measurement in (exercise, package, adaptive):
      assert measurement.read()['first_step_s'] > 0
    # In turn, and a window is as long as it must be for at least one step.
    rates = [one.window(0.01)['tokens_per_s'] for _ in range(2) for one in (exercise, package, adaptive)]
    assert min(rates) > 0
    assert exercise.finish().keys() == {'peak_rss_mb', 'traces'}
    assert adaptive.finish()['traces'] == 1
    closing = package.finish()
    assert closing['traces'] == 1
    assert sys.platform == 'win32' or closing['peak_rss_mb'] > 100


def test_windows_of_a_recipe(benchmark, poems_file):
  with benchmark.measurements(('recipe', 'gru', 'adaptive', str(poems_file))) as (measurement,):
    measurement.read()
    assert measurement.window(0.01)['tokens_per_s'] > 0
    closing = measurement.finish()
  assert closing['tokens'] > 0 and closing['step_ms'] > 0 and closing['products_ms'] > 0


def test_a_measurement_that_fails_says_why(benchmark):
  with benchmark.measurements(('train', 'float32', 'tree')) as (measurement,):
    with pytest.raises(UserError, match="float32 tree ended with status 1: .*cell 'tree' is unknown"):
      measurement.read()


def test_every_figure_has_its_place_in_the_tables(benchmark):
  training = {'train_tokens_per_s': 12345.6, 'spread': [11111, 13333], 'ratio_to_exercise': 4.56,
              'ratio_to_float32': 2.34, 'ratio_to_ceiling': 0.78, 'peak_rss_mb': 765.4, 'traces': 1}
  text = benchmark.tables({
      'machine': 'a machine',
      **{variant: dict.fromkeys(benchmark.CELLS, training) for variant in benchmark.VARIANTS},
      'ceiling': {'float32_gflops': 1, 'bfloat16_gflops': 2, 'float32_tokens_per_s': 3, 'bfloat16_tokens_per_s': 4},
      'best': dict.fromkeys(benchmark.RECIPE_VARIANTS, {'train_tokens_per_s': 9876.5, 'ratio_to_full': 1.87,
                                                        'tokens': 1987, 'step_ms': 321.2, 'products_ms': 234.3,
                                                        'products_ratio': 1.37}),
      'decode': {'stepwise_ms': 151, 'single_ms': 4.56, 'batch512_chars_per_s': 54321,
                 'batch512_sampling_chars_per_s': 43210, 'batch512_gru_chars_per_s': 65432,
                 'batch512_gru_sampling_chars_per_s': 56789, 'batch512_natural_chars_per_s': 32109,
                 'form_gru_single_ms': 6.54, 'form_best_single_ms': 9.87, 'form_gru_batch512_chars_per_s': 23456,
                 'form_best_batch512_chars_per_s': 12321, 'form_best_title_ms': 10.23, 'form_best_guided_ms': 13.57},
      'startup': {'plain_import_s': 8.4, 'import_tensorflow_s': 7.1, 'beyond_import_s': 0.8, 'first_poem_s': 7.9,
                  'help_s': 0.23},
      'scoring': {'lines_per_s': 5432.1}})
  assert text.count('| 12,346 | 11,111–13,333 | 4.6× | 2.3× | 78% | 765 MB | 1 |') == 18
  assert text.count('| 9,876 | 1.87× | 321 ms | 234 ms | 1.37× |') == 3
  for figure in ('151 ms', '4.6 ms', '6.5 ms', '9.9 ms', '10.2 ms', '13.6 ms', '23,456', '12,321',
                 '54,321', '43,210', '65,432', '56,789', '5,432 lines/s', '32,109', '8.4 s', '7.1 s',
                 '0.8 s', '0.23 s', '1 GFLOP/s'):
    assert figure in text
