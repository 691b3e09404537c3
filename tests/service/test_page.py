"""The page, in a real browser."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='there is no Chromium')
playwright = pytest.importorskip('playwright.sync_api', reason="the extra 'browser' is not installed")
expect = playwright.expect
expect.set_options(timeout=60_000)
MARKS = '，。？！；、：'
WATCH = '''() => {
  window.most = 0;  // cards of poems that were being written at one time
  new MutationObserver(() => {
    window.most = Math.max(window.most, document.querySelectorAll('.card.writing').length);
  }).observe(document.body, {attributes: true, childList: true, subtree: true});
}'''


@pytest.fixture(scope='module')
def address(tmp_path_factory):
  """A service with the shipped gru and rnn."""
  process = subprocess.Popen([sys.executable, '-m', 'tangshi_tf.serve', '--port=0', '--model=gru', '--model=rnn'],
                             cwd=tmp_path_factory.mktemp('serve'), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, env={**os.environ, 'PYTHONUNBUFFERED': '1'})
  found = re.match(r'(http://\S+?)/ ', process.stdout.readline())[1]
  for _ in range(600):
    try:
      urllib.request.urlopen(f'{found}/readyz', timeout=5)
      break
    except OSError:
      time.sleep(0.1)
  yield found
  process.kill()


@pytest.fixture(scope='module')
def browser():
  with playwright.sync_playwright() as started:
    found = started.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
    yield found
    found.close()


@pytest.fixture
def visit(browser, address):
  """Opens the page in a fresh profile; errors of the page and requests to other hosts fail the test."""
  contexts, wrong = [], []

  def open_page(path='', **options):
    context = browser.new_context(**{'locale': 'zh-CN', **options})
    context.set_default_timeout(60_000)
    contexts.append(context)
    page = context.new_page()
    page.on('pageerror', lambda error: wrong.append(str(error)))
    page.on('console', lambda message: wrong.append(message.text) if message.type == 'error' and (
        'the server responded with a status of 400' not in message.text) else None)
    page.on('request', lambda request: wrong.append(request.url) if not request.url.startswith(
        (address, 'blob:', 'data:')) else None)
    page.goto(address + path)
    expect(page.locator('#model option')).to_have_count(2)
    return page

  yield open_page
  for context in contexts:
    context.close()
  assert not wrong


def write(page, count=1):
  """Presses the button and waits for the poems; returns their texts without marks."""
  page.select_option('#num', str(count))
  page.click('#write')
  expect(page.locator('.tools .link')).to_have_count(count)
  expect(page.locator('#write')).to_be_enabled()
  return texts(page)


def texts(page):
  return [''.join(card.locator('.character').all_inner_texts()) for card in page.locator('.card').all()]


def test_poems_come_character_by_character(visit):
  page = visit()
  page.click('text=五绝')
  page.fill('#begin', '春')
  page.select_option('#num', '3')
  page.evaluate(WATCH)
  page.click('#write')
  expect(page.locator('.tools .link')).to_have_count(3)
  assert page.evaluate('window.most') == 3
  found = texts(page)
  assert [len(text) for text in found] == [20] * 3 and all(text.startswith('春') for text in found)
  assert len(set(found)) == 3
  assert page.locator('.poem').first.evaluate('node => getComputedStyle(node).writingMode') == 'vertical-rl'
  expect(page.locator('#live')).not_to_be_empty()


def test_another_character_a_line_and_the_rest_written_anew_with_undo_and_redo(visit):
  page = visit()
  before, = write(page)
  character = page.locator('.character')
  character.nth(9).click()
  other = page.locator('.choices button').first
  expect(other).to_be_visible()
  chosen = other.inner_text()[0]
  other.click()
  expect(character.nth(9)).to_have_text(chosen)
  assert texts(page)[0] == before[:9] + chosen + before[10:]
  page.click('[title=撤销]')
  expect(character.nth(9)).to_have_text(before[9])
  page.click('[title=重做]')
  expect(character.nth(9)).to_have_text(chosen)
  page.click('[title=撤销]')

  character.nth(8).click()
  page.click('text=重写此句')
  expect(page.locator('.about')).to_contain_text('改过')
  expect(page.locator('.card.writing')).to_have_count(0)
  line, = texts(page)
  assert line[:7] == before[:7] and line[14:] == before[14:] and line[7:14] != before[7:14]
  page.click('[title=撤销]')
  character.nth(21).click()
  page.click('text=从此字重写')
  expect(page.locator('.about')).to_contain_text('改过')
  expect(page.locator('.card.writing')).to_have_count(0)
  rest, = texts(page)
  assert rest[:21] == before[:21] and rest[21:] != before[21:] and len(rest) == 28


def test_a_link_opened_elsewhere_gives_the_very_same_poem(visit):
  page = visit(permissions=['clipboard-read', 'clipboard-write'])
  page.fill('#acrostic', '春夏秋冬')
  page.select_option('#model', 'rnn') if page.is_visible('#model') else page.evaluate(
      "document.getElementById('model').value = 'rnn'")
  first, second = write(page, 2)
  page.locator('.tools .link').nth(1).click()
  link = page.evaluate('navigator.clipboard.readText()')
  other = visit(link[link.index('#') - 1:])
  expect(other.locator('.tools .link')).to_have_count(1)
  assert texts(other) == [second] != [first]
  # An edited poem is held itself.
  page.locator('.card').first.locator('.character').nth(3).click()
  page.locator('.choices button').first.click()
  expect(page.locator('.about').first).to_contain_text('改过')
  page.locator('.tools .link').first.click()
  link = page.evaluate('navigator.clipboard.readText()')
  edited = texts(page)[0]
  assert texts_of(visit(link[link.index('#') - 1:])) == [edited]


def texts_of(page):
  expect(page.locator('.tools .link')).to_have_count(1)
  return texts(page)


def test_what_can_be_shown_of_a_poem(visit):
  page = visit()
  write(page)
  page.click('[data-show=tones]')
  expect(page.locator('.character[data-tone]')).to_have_count(28)
  page.click('[data-show=rhyme]')
  assert page.locator('.character.rhyme').count() in (2, 3)
  page.click('[data-show=surprise]')
  expect(page.locator('[class*=surprise-]')).to_have_count(28)
  expect(page.locator('#legend')).to_contain_text('平')
  assert re.search('比特', page.locator('.character').first.get_attribute('aria-label'))


def test_a_poem_of_ones_own_is_checked_and_completed(visit):
  page = visit()
  page.click('text=自己的诗')
  page.fill('#own', '白日依山尽，黄河入海流。欲穷千里目，更上一层台。')
  page.click('#check')
  expect(page.locator('.character.fault')).to_have_text('台')
  expect(page.locator('.panel')).to_contain_text('4.5')
  page.fill('#own', '白日依山尽，黄河入海流。□□□□□，□□□□□。')
  page.select_option('#num', '1')
  page.click('#complete')
  expect(page.locator('.tools .link')).to_have_count(1)
  assert texts(page)[0].startswith('白日依山尽黄河入海流') and len(texts(page)[0]) == 20


def test_poems_are_kept(visit):
  page = visit(permissions=['clipboard-read', 'clipboard-write'])
  first, = write(page)
  page.click('[title=收藏]')
  second, = write(page)
  expect(page.locator('#history li')).to_have_count(2)
  page.reload()
  expect(page.locator('#history li')).to_have_count(2)
  page.click('#forget')
  expect(page.locator('#history li')).to_have_count(1)
  page.locator('#history button').click()
  expect(page.locator('.tools .link')).to_have_count(1)
  assert texts(page) == [first]
  page.click('text=复制')
  copied = page.evaluate('navigator.clipboard.readText()')
  assert ''.join(mark for mark in copied if mark not in MARKS + '\n') == first
  with page.expect_download() as saved:
    page.click('.tools >> text=JSON')
  held = json.loads(saved.value.path().read_text(encoding='utf-8'))
  assert ''.join(held['lines']) == first and held['parameters']['form'] == '七绝'
  with page.expect_download() as saved:
    page.click('.tools >> text=SVG')
  svg = saved.value.path().read_text(encoding='utf-8')
  assert all(f'>{character}<' in svg for character in first)
  with page.expect_download() as saved:
    page.click('.tools >> text=PNG')
  assert saved.value.path().read_bytes().startswith(b'\x89PNG') and saved.value.path().stat().st_size > 5000


def test_a_tag_in_what_is_asked_for_is_text(visit):
  page = visit()
  page.fill('#acrostic', '<b>x')
  page.click('#write')
  expect(page.locator('#message')).to_contain_text('<')
  assert page.locator('#message b').count() == 0
  page.fill('#acrostic', '')
  assert len(write(page)[0]) == 28
  expect(page.locator('#message')).to_be_empty()


@pytest.mark.parametrize('options', [{'color_scheme': 'dark'}, {'color_scheme': 'light'},
                                     {'viewport': {'width': 360, 'height': 740}, 'locale': 'en-US'}], ids=str)
def test_it_is_accessible_and_fits(visit, options):
  axe = pytest.importorskip('axe_playwright_python.sync_playwright', reason="the extra 'browser' is not installed")
  page = visit(**options)
  write(page)
  page.click('[data-show=tones]')
  page.click('[data-show=surprise]')
  page.locator('.character').nth(3).click()
  expect(page.locator('.choices button').first).to_be_visible()
  page.locator('details.more summary').click()
  found = axe.Axe().run(page)
  serious = [violation for violation in found.response['violations'] if violation['impact'] in ('serious', 'critical')]
  assert not serious, [(violation['id'], [node['html'][:200] for node in violation['nodes']]) for violation in serious]
  assert page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')


def test_it_can_be_used_with_the_keyboard_alone(visit):
  page = visit()
  page.focus('#begin')
  page.keyboard.type('山')
  page.keyboard.press('Enter')
  expect(page.locator('.tools .link')).to_have_count(3)
  expect(page.locator('#write')).to_be_enabled()
  page.locator('.character').first.focus()
  for key in ('ArrowDown', 'ArrowDown', 'ArrowLeft'):
    page.keyboard.press(key)
  every = page.locator('.card').first.locator('.character')
  assert every.nth(9).evaluate('node => node === document.activeElement')
  page.keyboard.press('Enter')
  expect(page.locator('.choices button').first).to_be_visible()
  page.keyboard.press('Escape')
  expect(page.locator('.panel').first).to_be_hidden()


def test_language_and_colours_are_remembered(visit):
  page = visit()
  page.click('#language')
  expect(page.locator('#write')).to_have_text('Write')
  page.click('#theme')
  page.click('#direction')
  page.reload()
  expect(page.locator('#write')).to_have_text('Write')
  assert page.evaluate('document.documentElement.dataset.theme') == 'dark'
  assert not page.locator('body.vertical').count()
