"""What recipes reach, for a run of few poems."""


def test_the_report(script, trained):
  done = script('reports/recipe_report.py', f'--runs={trained[0]}', '--begins=10')
  assert done.returncode == 0, done.stderr
  row = next(line for line in done.stdout.splitlines() if line.startswith('| `'))
  cells = [cell.strip() for cell in row.strip('|').split('|')]
  assert len(cells) == 9 and float(cells[5]) > 1 and float(cells[6]) > 1 and cells[7].endswith('%')
  assert ', zero state: ' in done.stdout and ', random state: ' in done.stdout
