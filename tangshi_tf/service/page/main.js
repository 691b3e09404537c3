// The page: choices, poems, what is kept.

import {Problem, ask, listen, models} from './api.js';
import {PoemCard, heldBy, linesOf, sentences} from './poem.js';
import {say, setLanguage} from './words.js';

const FORMS = ['', '五绝', '七绝', '五律', '七律'], MOST_KEPT = 200;
const element = id => document.getElementById(id);
const stored = (name, otherwise) => {
  try {
    return JSON.parse(localStorage.getItem(`tangshi.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
};
const store = (name, value) => {
  try {
    localStorage.setItem(`tangshi.${name}`, JSON.stringify(value));
  } catch { /* a browser without memory keeps nothing */ }
};

const form = element('choices'), poems = element('poems');
let known = null, cards = [], writing = null, history = stored('history', []);

const desk = {
  shown: new Set(stored('shown', [])),
  vertical: stored('vertical', true),
  traditional: stored('traditional', false),
  keep(version) {
    const {text, poem, model, parameters, edited, star} = version;
    const entry = {text, poem, model, parameters, edited, star, time: version.time ??= Date.now()};
    const before = history.findIndex(other => other.text === text);
    if (before >= 0) history.splice(before, 1, {...entry, time: history[before].time});
    else history.unshift(entry);
    const kept = history.filter(other => other.star), rest = history.filter(other => !other.star).slice(0, MOST_KEPT);
    history = [...kept, ...rest].sort((a, b) => b.time - a.time);
    store('history', history);
    showHistory();
  },
  fail(error) {
    if (error.name === 'AbortError') return;
    element('message').textContent = error instanceof Problem ? error.message : say('unreachable');
    if (!(error instanceof Problem)) console.error(error);
  },
  announce(text) {
    element('live').textContent = text;
  },
  remove(card) {
    card.busy?.abort();
    card.node.remove();
    cards = cards.filter(other => other !== card);
  },
};

function addCard(first = false) {
  const card = new PoemCard(desk);
  if (first) poems.prepend(card.node);
  else poems.append(card.node);
  cards.push(card);
  return card;
}

// ---- choices

function option(value, text) {
  const node = document.createElement('option');
  node.value = value;
  node.textContent = text;
  return node;
}

function drawForms() {
  const chosen = form.elements.form?.value ?? stored('form', '七绝');
  element('forms').replaceChildren(...FORMS.map(name => {
    const label = document.createElement('label'), input = document.createElement('input');
    Object.assign(input, {type: 'radio', name: 'form', value: name, checked: name === chosen});
    label.append(input, name || say('free'));
    return label;
  }));
  drawRhymes();
}

function drawRhymes() {
  const chosen = element('rhyme').value;
  element('rhyme').replaceChildren(option('', say('anyRhyme')), option('off', say('off')),
      ...(known?.rhymes ?? []).map(name => option(name, name)));
  element('rhyme').value = chosen;
}

function modelChosen() {
  return known?.models.find(model => model.name === element('model').value) ?? known?.models[0];
}

function drawModel() {
  const model = modelChosen();
  for (const node of document.querySelectorAll('[data-for=title]')) node.hidden = !model?.controls.includes('title');
  element('poets').replaceChildren(...(model?.poets ?? []).slice(0, 400).map(name => option(name, '')));
}

function drawFormed() {
  element('formed').hidden = !form.elements.form.value && !element('acrostic').value;
}

function parameters() {
  const asked = {}, data = new FormData(form);
  for (const [name, value] of data) {
    const text = value.trim();
    const field = form.elements[name];
    const hidden = field.closest?.('[hidden]');
    if (text && !hidden) asked[name] = field.type === 'number' ? Number(text) : text;
  }
  asked.num = Number(asked.num);
  return asked;
}

async function write(asked, path = '/api/generate') {
  element('message').textContent = '';
  for (const card of [...cards]) desk.remove(card);
  poems.querySelector('.empty')?.remove();
  writing = new AbortController();
  setWriting(true);
  const {model, ...rest} = asked, own = new Map();
  const cardOf = index => {
    if (!own.has(index)) own.set(index, addCard());
    return own.get(index);
  };
  const count = path === '/api/generate' ? asked.num ?? 1 : 1;
  for (let index = 0; index < count; index += 1) cardOf(index).writing('');
  try {
    await listen(path, asked, (event, data) => {
      if (event === 'text') cardOf(data.index).writing(data.text);
      if (event === 'poem') cardOf(data.index).take({text: data.poem.text, poem: data.poem, model: model ?? known.models[0].name,
        parameters: rest});
      if (event === 'end' && data.notes?.length) element('message').textContent = data.notes.join('\n');
    }, writing.signal);
  } catch (error) {
    desk.fail(error);
  }
  for (const card of own.values()) if (!card.version) desk.remove(card);
  setWriting(false);
}

function setWriting(is) {
  element('write').disabled = is;
  element('stop').hidden = !is;
  poems.setAttribute('aria-busy', String(is));
}

form.addEventListener('submit', event => {
  event.preventDefault();
  const asked = parameters();
  store('form', form.elements.form.value);
  if (form.reportValidity()) write(asked);
});
form.addEventListener('change', () => {
  drawModel();
  drawFormed();
});
element('acrostic').addEventListener('input', drawFormed);
element('stop').addEventListener('click', () => writing?.abort());
element('begin').addEventListener('keydown', event => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey || !event.target.value.includes('\n'))) {
    if (event.shiftKey) return;
    event.preventDefault();
    form.requestSubmit();
  }
});

// ---- a poem of one's own

element('check').addEventListener('click', async () => {
  element('message').textContent = '';
  const text = element('own').value.trim();
  if (!text) return element('own').focus();
  try {
    const found = await ask('/api/check', {text});
    poems.querySelector('.empty')?.remove();
    const card = addCard(true), poem = {...found, seed: null, perplexity: null, form: found.form === 'other' ? null : found.form};
    card.take({text: found.text, poem, model: element('model').value || known.models[0].name, parameters: {}, edited: true});
    await card.check();
  } catch (error) {
    desk.fail(error);
  }
});
element('complete').addEventListener('click', () => {
  const text = element('own').value.trim();
  if (!text) return element('own').focus();
  const {num, begin, acrostic, seed, form: chosen, ...rest} = parameters();
  if (text.includes('□')) return write({...rest, template: text, num});
  // The poem's first line decides between five and seven characters.
  const width = {5: '五', 7: '七'}[[...linesOf(text)[0] ?? ''].length];
  write({...rest, ...(chosen ? {form: width ? width + chosen.slice(1) : chosen} : {}), text, num: 1}, '/api/continue');
});

// ---- what is shown

function draw() {
  setLanguage(stored('language', navigator.language.startsWith('zh') ? 'zh' : 'en'));
  element('direction').setAttribute('aria-pressed', String(desk.vertical));
  element('script').setAttribute('aria-pressed', String(desk.traditional));
  document.body.classList.toggle('vertical', desk.vertical);
  document.documentElement.dataset.theme = stored('theme', 'auto');
  for (const node of element('reading').querySelectorAll('button')) {
    node.setAttribute('aria-pressed', String(desk.shown.has(node.dataset.show)));
  }
  const legend = [...desk.shown].map(name => say(`legend${name[0].toUpperCase()}${name.slice(1)}`));
  element('legend').textContent = legend.join('　');
  element('legend').hidden = !legend.length;
  drawForms();
  drawModel();
  drawFormed();
  showHistory();
  for (const card of cards) card.show();
}

element('language').addEventListener('click', () => {
  store('language', document.documentElement.lang === 'en' ? 'zh' : 'en');
  draw();
});
element('direction').addEventListener('click', () => {
  store('vertical', desk.vertical = !desk.vertical);
  draw();
});
element('script').addEventListener('click', () => {
  store('traditional', desk.traditional = !desk.traditional);
  draw();
});
element('theme').addEventListener('click', () => {
  const dark = getComputedStyle(document.documentElement).getPropertyValue('--dark').trim() === '1';
  store('theme', dark ? 'light' : 'dark');
  draw();
});
element('reading').addEventListener('click', event => {
  const name = event.target.dataset.show;
  if (!name) return;
  if (!desk.shown.delete(name)) desk.shown.add(name);
  store('shown', [...desk.shown]);
  draw();
});

// ---- what is kept

function showHistory() {
  element('history').replaceChildren(...history.slice(0, 60).map(entry => {
    const item = document.createElement('li'), open = document.createElement('button');
    open.type = 'button';
    open.textContent = `${entry.star ? '★ ' : ''}${sentences(entry.text).split('\n')[0]}`;
    open.addEventListener('click', () => {
      poems.querySelector('.empty')?.remove();
      addCard(true).take({...entry});
      poems.focus();
    });
    item.append(open);
    return item;
  }));
  element('kept').hidden = !history.length;
}

element('forget').addEventListener('click', () => {
  history = history.filter(entry => entry.star);
  store('history', history);
  showHistory();
});

// ---- the beginning

async function openLink() {
  const held = location.hash.length > 1 ? heldBy(location.hash.slice(1)) : null;
  if (!held) return;
  poems.querySelector('.empty')?.remove();
  if (held.text) {
    const found = await ask('/api/check', {text: held.text, ...(held.form ? {form: held.form} : {})});
    addCard(true).take({text: held.text, poem: {...found, form: held.form ?? null, seed: null}, model: held.model,
      parameters: held.parameters ?? {}, edited: true});
  } else {
    await write({...held.parameters, model: held.model, num: 1});
  }
}

async function begin() {
  draw();
  try {
    while (!(known = await models())) {
      element('message').textContent = say('loading');
      await new Promise(resolve => { setTimeout(resolve, 500); });
    }
    element('message').textContent = '';
    element('model').replaceChildren(...known.models.map(model => option(
        model.name, `${model.name} · ${model.cell} · ${(model.parameters / 1e6).toFixed(1)} M`)));
    element('script').hidden = !known.traditional;
    if (!known.traditional) desk.traditional = false;
    draw();
    await openLink();
  } catch (error) {
    desk.fail(error);
  }
}

window.addEventListener('hashchange', () => openLink().catch(desk.fail));
begin();
