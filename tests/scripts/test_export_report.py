"""What exports lose, for a run of few poems."""

import re

import pytest


def test_the_report(script, trained):
  done = script('reports/export_report.py', f'--models={trained[0]}', '--formats=package,litert', '--poems=40')
  assert done.returncode == 0, done.stderr
  rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in done.stdout.splitlines()
          if line.startswith('| `')]
  assert [row[1] for row in rows] == ['package', 'LiteRT, float16', 'LiteRT, int8']
  package, *exports = (float(row[3].split()[0]) for row in rows)
  assert package > 1 and exports == pytest.approx([package] * 2, rel=0.01)
  assert all(re.fullmatch(r'[\d.]+ \([+-]\d\.\d\d%\)', row[3]) for row in rows[1:])
  assert all(float(row[2]) > 0 and float(row[4]) > 0 for row in rows) and rows[0][5] and not rows[1][5]
