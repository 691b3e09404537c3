"""The figures of the benchmark as Markdown."""


def tables(result: dict) -> str:
  """Returns the figures as Markdown."""
  lines = [result['machine'], '',
           '| training | cell | tokens/s | spread | to the exercise | to float32 | of the float32 ceiling '
           '| peak memory | graphs |', '| --- | --- | --- | --- | --- | --- | --- | --- | --- |']
  names = {'exercise': 'the exercise as written', 'float32': 'this package', 'bfloat16': '`--precision=bfloat16`',
           'adaptive': '`--softmax=adaptive`', 'adaptive_tied': '`--softmax=adaptive --tied`',
           'adaptive_bfloat16': '`--softmax=adaptive --precision=bfloat16`', 'pytorch': 'PyTorch, same batches'}
  for variant, name in names.items():
    for cell, row in result.get(variant, {}).items():
      low, high = row['spread']
      lines.append(f'| {name} | {cell} | {row["train_tokens_per_s"]:,.0f} | {low:,.0f}–{high:,.0f} '
                   f'| {row["ratio_to_exercise"]:.1f}× | {row["ratio_to_float32"]:.1f}× '
                   f'| {row["ratio_to_ceiling"]:.0%} | {megabytes(row["peak_rss_mb"])} | {row["traces"] or ""} |')
  ceiling = result['ceiling']
  return '\n'.join([
      *lines, '', recipe_table('best', result), '', *writing_table(result), '',
      'Products of the output layer alone: '
      f'float32 {ceiling["float32_gflops"]:.0f} GFLOP/s ({ceiling["float32_tokens_per_s"]:,.0f} tokens/s), '
      f'bfloat16 {ceiling["bfloat16_gflops"]:.0f} GFLOP/s.'])


def recipe_table(name: str, result: dict) -> str:
  lines = [f'| `{name}` | tokens/s | to full | a step of {result[name]["full"]["tokens"]:,} tokens | its products | |',
           '| --- | --- | --- | --- | --- | --- |']
  titles = {'full': '`--softmax=full`', 'adaptive': '`--softmax=adaptive`',
            'adaptive_bfloat16': '`--softmax=adaptive --precision=bfloat16`'}
  for variant, row in result[name].items():
    lines.append(f'| {titles[variant]} | {row["train_tokens_per_s"]:,.0f} | {row["ratio_to_full"]:.2f}× '
                 f'| {row["step_ms"]:.0f} ms | {row["products_ms"]:.0f} ms | {row["products_ratio"]:.2f}× |')
  return '\n'.join(lines)


def writing_table(result: dict) -> list[str]:
  decode, startup = result['decode'], result['startup']
  return ['| decoding and start-up | |', '| --- | --- |',
          f'| a poem of 30 characters, one eager call a character (the exercise) | {decode["stepwise_ms"]:.0f} ms |',
          f'| the same, compiled loop | {decode["single_ms"]:.1f} ms |',
          f'| 512 poems of 30 characters at once, greedy | {decode["batch512_chars_per_s"]:,.0f} characters/s |',
          f'| the same, drawn | {decode["batch512_sampling_chars_per_s"]:,.0f} characters/s |',
          f'| 512 poems of 30 characters by `gru`, greedy | {decode["batch512_gru_chars_per_s"]:,.0f} characters/s |',
          f'| the same, drawn | {decode["batch512_gru_sampling_chars_per_s"]:,.0f} characters/s |',
          '| 512 poems that end by themselves, drawn '
          f'| {decode["batch512_natural_chars_per_s"]:,.0f} characters/s |',
          f'| a 七绝 that keeps tones and rhymes, `gru` | {decode["form_gru_single_ms"]:.1f} ms |',
          f'| the same, `best` | {decode["form_best_single_ms"]:.1f} ms |',
          f'| the same on a title | {decode["form_best_title_ms"]:.1f} ms |',
          f'| and with guidance | {decode["form_best_guided_ms"]:.1f} ms |',
          f'| 512 of them at once, `gru` | {decode["form_gru_batch512_chars_per_s"]:,.0f} characters/s |',
          f'| the same, `best` | {decode["form_best_batch512_chars_per_s"]:,.0f} characters/s |',
          f'| `score`, lines of seven characters, `gru` | {result["scoring"]["lines_per_s"]:,.0f} lines/s |',
          f'| `import tensorflow`, plainly | {startup["plain_import_s"]:.1f} s |',
          f'| the same as `generate` does it | {startup["import_tensorflow_s"]:.1f} s |',
          f'| shell to first poem, beyond that import | {startup["beyond_import_s"]:.1f} s |',
          f'| `--help` | {startup["help_s"]:.2f} s |']


def growth_tables(result: dict) -> str:
  lines = [result['machine'], '',
           '| corpus | training tokens | characters | tokens/s | to Tang | encoded | peak memory | first step after |',
           '| --- | --- | --- | --- | --- | --- | --- | --- |']
  for row in result['growth']:
    encoded = row['tokens'] * row['bytes_per_token'] / 2**20
    lines.append(f'| {row["corpus"]} | {row["tokens"]:,} | {row["classes"]:,} | {row["train_tokens_per_s"]:,.0f} '
                 f'| {row["ratio_to_tang"]:.2f}× | {megabytes(encoded)}, {row["bytes_per_token"]:.2f} bytes a token '
                 f'| {megabytes(row["peak_rss_mb"])} | {row["first_step_s"]:.0f} s |')
  return '\n'.join(lines)


def stage_tables(result: dict) -> str:
  stages = result['stages']
  names = next(iter(stages.values()))['milliseconds']
  lines = [result['machine'], '', '| stage of a training step | ' + ' | '.join(
      f'{cell}, {row["tokens"]:,} tokens' for cell, row in stages.items()) + ' |',
      '| --- ' * (len(stages) + 1) + '|']
  for name in names:
    lines.append(f'| {name} | ' + ' | '.join(f'{row["milliseconds"][name]:.1f} ms' for row in stages.values()) + ' |')
  return '\n'.join(lines)


def megabytes(value: float | None) -> str:
  return '' if value is None else f'{value:,.0f} MB'
