"""The n-gram baseline as a command."""


def test_an_empty_part_is_an_error(script, tmp_path):
  (tmp_path / 'one.txt').write_text('题:床前明月光，疑是地上霜。\n', encoding='utf-8')
  for part in ('test', 'validation'):
    run = script('reports/evaluate_ngrams.py', '--corpus=one.txt', f'--split={part}')
    assert run.returncode == 2 and not run.stdout
    assert run.stderr.count('\n') == 1 and ('part is empty' in run.stderr or 'training part' in run.stderr)
