// A poem on the page: its characters, what can be shown of them, and what can be done with it.

import {ask, listen} from './api.js';
import {download, png, svg} from './card.js';
import {say} from './words.js';

const MARKS = '，。？！；、：', BLANK = '□';
const TONE_SIGNS = {平: '○', 仄: '●', 中: '◐'}, TONE_NAMES = {平: 'level', 仄: 'oblique', 中: 'either'};

export const linesOf = text => text.split(new RegExp(`[${MARKS}]`)).filter(line => line);

function button(text, act, attributes = {}) {
  const node = document.createElement('button');
  node.type = 'button';
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.addEventListener('click', act);
  return node;
}

// A version of a poem is {text, poem, model, parameters, edited}: what the service said of it, and how it came about.
export class PoemCard {
  constructor(desk) {
    this.desk = desk;  // {shown, vertical, traditional(text), keep(version), fail(error), announce(text), remove(card)}
    this.versions = [];
    this.at = -1;
    this.busy = null;
    const copy = document.getElementById('card').content.cloneNode(true);
    this.node = copy.querySelector('.card');
    [this.poem, this.about, this.tools, this.panel] = ['.poem', '.about', '.tools', '.panel'].map(
        name => this.node.querySelector(name));
    this.poem.addEventListener('keydown', event => this.#move(event));
  }

  get version() {
    return this.versions[this.at];
  }

  // Shows a text that is still being written.
  writing(text) {
    this.node.classList.add('writing');
    this.#draw(text, null);
  }

  // Takes a complete version, and shows it.
  take(version) {
    this.node.classList.remove('writing');
    this.versions.splice(this.at + 1, Infinity, version);
    this.at = this.versions.length - 1;
    this.desk.keep(version);
    this.show();
    this.desk.announce(version.text);
  }

  async show() {
    const version = this.version;
    if (!version) return;
    if (this.desk.traditional && !version.traditional) {
      version.traditional = (await ask('/api/traditional', {texts: [version.text]})).texts[0];
    }
    if (this.desk.shown.has('surprise') && !version.bits) await this.#measure(version);
    if (version !== this.version) return;
    this.#draw(this.desk.traditional ? version.traditional : version.text, version);
    const poem = version.poem;
    const facts = [version.parameters.title, version.parameters.poet, poem.form, poem.pattern, poem.rhyme, version.model,
      version.edited ? say('edited') : `${say('seed')} ${poem.seed}`];
    this.about.textContent = facts.filter(fact => fact).join(' · ');
    this.#drawTools();
    this.panel.hidden = true;
  }

  async #measure(version) {
    const told = {};
    for (const name of ['title', 'poet', 'dynasty']) if (version.parameters[name]) told[name] = version.parameters[name];
    try {
      const {scores} = await ask('/api/score', {model: version.model, texts: [version.text], ...told});
      version.bits = scores[0].tokens.map(token => token.bits);
    } catch (error) {
      this.desk.fail(error);
    }
  }

  #draw(text, version) {
    const show = name => version && this.desk.shown.has(name);
    const tones = version ? version.poem.tones.join('') : '';
    const rhymes = version ? rhymingPlaces(version) : new Set();
    const faults = new Map((version?.faults || []).map(fault => [`${fault.line}.${fault.position}`, fault.text]));
    this.poem.replaceChildren();
    let line = null, place = 0, number = 0, position = 0;
    [...text].forEach((character, index) => {
      if (!line) {
        line = document.createElement('div');
        line.className = 'line';
        this.poem.append(line);
        number += 1;
        position = 0;
      }
      if (MARKS.includes(character)) {
        const mark = document.createElement('span');
        mark.className = 'mark';
        mark.textContent = character;
        line.append(mark);
        line = null;
        return;
      }
      position += 1;
      const node = button(character, () => this.#open(index), {tabindex: index ? '-1' : '0', class: 'character'});
      const tone = tones[place], bits = version?.bits?.[index], facts = [character];
      if (show('tones') && tone) {
        node.dataset.tone = TONE_SIGNS[tone] || '';
        facts.push(say(TONE_NAMES[tone] || 'either'));
      }
      if (show('rhyme') && rhymes.has(place)) node.classList.add('rhyme');
      if (show('surprise') && bits !== undefined) {
        node.classList.add(`surprise-${Math.max(0, Math.min(4, Math.floor((bits - 3) / 3)))}`);
        facts.push(`${bits.toFixed(1)} ${say('bits')}`);
      }
      const fault = faults.get(`${number}.${position}`) || faults.get(`${number}.0`);
      if (fault) {
        node.classList.add('fault');
        node.title = fault;
        facts.push(fault);
      }
      node.setAttribute('aria-label', facts.join(', '));
      node.disabled = !version;
      line.append(node);
      place += 1;
    });
  }

  #move(event) {
    const vertical = this.desk.vertical;
    const steps = vertical ? {ArrowDown: 1, ArrowUp: -1} : {ArrowRight: 1, ArrowLeft: -1};
    const jumps = vertical ? {ArrowLeft: 1, ArrowRight: -1} : {ArrowDown: 1, ArrowUp: -1};
    const every = [...this.poem.querySelectorAll('.character')], now = every.indexOf(document.activeElement);
    let next;
    if (event.key in steps) next = every[now + steps[event.key]];
    if (event.key in jumps) {
      const columns = [...this.poem.querySelectorAll('.line')];
      const at = columns.indexOf(document.activeElement.parentNode);
      const row = [...columns[at].querySelectorAll('.character')].indexOf(document.activeElement);
      next = columns[at + jumps[event.key]]?.querySelectorAll('.character')[row];
    }
    if (event.key === 'Escape') this.panel.hidden = true;
    if (!next) return;
    event.preventDefault();
    for (const node of every) node.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  #drawTools() {
    const {version, desk} = this;
    const star = button(version.star ? '★' : '☆', () => {
      version.star = !version.star;
      desk.keep(version);
      this.#drawTools();
    }, {'aria-pressed': String(Boolean(version.star)), 'aria-label': say('star'), title: say('star')});
    const step = (name, sign, by) => {
      const node = button(sign, () => {
        this.at += by;
        this.show();
      }, {'aria-label': say(name), title: say(name)});
      node.disabled = !this.versions[this.at + by];
      return node;
    };
    const said = (node, name) => {
      const before = node.textContent;
      node.textContent = say(name);
      setTimeout(() => { node.textContent = before; }, 1500);
    };
    const lines = () => linesOf(desk.traditional ? version.traditional : version.text);
    const caption = () => [version.poem.form, version.model, version.edited ? say('edited') : version.poem.seed].filter(
        fact => fact !== null && fact !== undefined).join(' · ');
    const name = `tangshi-${linesOf(version.text)[0] || ''}`;
    this.tools.replaceChildren(
        star, step('undo', '↶', -1), step('redo', '↷', 1),
        button(say('copy'), event => navigator.clipboard.writeText(sentences(version.text)).then(
            () => said(event.target, 'copied'), desk.fail)),
        button(say('link'), event => navigator.clipboard.writeText(linkTo(version)).then(
            () => said(event.target, 'linked'), desk.fail), {class: 'link'}),
        button(say('png'), async () => download(await png(svg(lines(), caption())), `${name}.png`)),
        button(say('svg'), () => download(new Blob([svg(lines(), caption())], {type: 'image/svg+xml'}), `${name}.svg`)),
        button(say('json'), () => download(new Blob([JSON.stringify({
          ...version.poem, text: version.text, model: version.model, parameters: version.parameters,
          edited: Boolean(version.edited)}, null, 2)], {type: 'application/json'}), `${name}.json`)),
        button(say('check'), () => this.check()),
        button('×', () => desk.remove(this), {'aria-label': say('remove'), title: say('remove')}));
  }

  // Marks what is wrong with the poem.
  async check() {
    const version = this.version, {form, tones} = version.parameters;
    try {
      const found = await ask('/api/check', {text: version.text, ...(version.poem.form || form ? {
        form: version.poem.form || form} : {}), ...(tones ? {tones} : {})});
      version.faults = found.faults;
      version.poem = {...version.poem, tones: found.tones, rhyme: found.rhyme, pattern: found.pattern};
      await this.show();
      const lines = [...found.faults, ...found.notes].map(fault => [
        fault.line && `${fault.line}.${fault.position || ''}`, fault.text].filter(part => part).join(' '));
      this.#fill([paragraph(lines.join('\n') || say('noFaults'))]);
    } catch (error) {
      this.desk.fail(error);
    }
  }

  #fill(nodes) {
    this.panel.replaceChildren(...nodes, button(say('close'), () => { this.panel.hidden = true; }, {class: 'close'}));
    this.panel.hidden = false;
  }

  // Shows what could stand in the place of a character, and offers to write from there.
  async #open(index) {
    const version = this.version, characters = [...version.text], character = characters[index];
    for (const node of this.poem.querySelectorAll('.chosen')) node.classList.remove('chosen');
    const place = characters.slice(0, index).filter(mark => !MARKS.includes(mark)).length;
    this.poem.querySelectorAll('.character')[place].classList.add('chosen');
    const choices = document.createElement('div');
    choices.className = 'choices';
    const nodes = [paragraph(say('alternatives')), choices, button(say('fromHere'), () => this.#rewrite(index, null))];
    if (version.poem.form) nodes.push(button(say('thisLine'), () => this.#rewrite(...lineAround(characters, index))));
    this.#fill(nodes);
    if (!version.bits) await this.#measure(version);
    if (version.bits) nodes[0].textContent = `${character} ${version.bits[index].toFixed(1)} ${say('bits')} · ${say('alternatives')}`;
    const {title, poet, tones, rhyme} = version.parameters, asked = {model: version.model, num: 30};
    Object.entries({form: version.poem.form, title, poet, tones, rhyme}).forEach(([name, value]) => {
      if (value) asked[name] = value;
    });
    if (!version.poem.form) delete asked.tones, delete asked.rhyme;
    try {
      const found = await ask('/api/choices', {...asked, text: characters.slice(0, index).join('')});
      const others = found.choices.filter(choice => [...choice.word].length === 1 && !characters.includes(choice.word));
      for (const choice of others.slice(0, 5)) {
        choices.append(button(`${choice.word} ${(100 * choice.probability).toFixed(choice.probability < 0.1 ? 1 : 0)}%`, () => {
          characters[index] = choice.word;
          this.#edited(characters.join(''));
        }));
      }
    } catch (error) {
      this.desk.fail(error);
    }
  }

  async #edited(text) {
    const version = this.version;
    this.take({text, poem: {...version.poem, text, seed: null}, model: version.model, parameters: version.parameters,
      edited: true});
    await this.check();
  }

  // Writes the characters from one place to another anew, by default to the end; all others stay.
  async #rewrite(first, end) {
    const version = this.version, characters = [...version.text];
    const {title, poet, theme, dynasty, guidance, temperature, tones, rhyme} = version.parameters;
    const kept = {model: version.model, title, poet, theme, dynasty, guidance, temperature};
    const asked = Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
    let path = '/api/generate';
    if (version.poem.form) {
      asked.template = characters.map((mark, i) => (
        i >= first && i < (end ?? Infinity) && !MARKS.includes(mark) ? BLANK : mark)).join('');
      Object.assign(asked, {form: version.poem.form}, tones && {tones}, rhyme && {rhyme});
    } else {
      path = first ? '/api/continue' : '/api/generate';
      Object.assign(asked, first ? {text: characters.slice(0, first).join('')} : {begin: characters[0]});
    }
    this.panel.hidden = true;
    this.busy = new AbortController();
    try {
      await listen(path, asked, (event, data) => {
        if (event === 'text') this.writing(data.text + (version.poem.form ? characters.slice([...data.text].length).map(
            (mark, i) => (i + [...data.text].length >= (end ?? 0) && end !== null ? mark : MARKS.includes(mark) ? mark : '　')).join('') : ''));
        if (event === 'poem') this.take({text: data.poem.text, poem: data.poem, model: version.model,
          parameters: version.parameters, edited: true});
      }, this.busy.signal);
    } catch (error) {
      this.node.classList.remove('writing');
      this.show();
      this.desk.fail(error);
    }
  }
}

function paragraph(text) {
  const node = document.createElement('p');
  node.textContent = text;
  return node;
}

// The first character of the line around a place, and the place after its last one.
function lineAround(characters, index) {
  let first = index, end = index;
  while (first > 0 && !MARKS.includes(characters[first - 1])) first -= 1;
  while (end < characters.length && !MARKS.includes(characters[end])) end += 1;
  return [first, end];
}

// The places, marks not counted, of the characters that rhyme.
function rhymingPlaces(version) {
  const places = new Set();
  if (!version.poem.rhyme) return places;
  let place = 0;
  linesOf(version.text).forEach((line, i) => {
    place += [...line].length;
    if (i % 2 || (i === 0 && version.poem.pattern && !version.poem.pattern.includes('不入'))) places.add(place - 1);
  });
  return places;
}

export function sentences(text) {
  return text.replace(/([。？！；])(?=.)/g, '$1\n');
}

// A link that holds all that made a poem, or, if it was edited, the poem.
export function linkTo(version) {
  const {poem, model, parameters, edited, text} = version;
  const {num, seed, begin, ...rest} = parameters;
  const held = edited ? {text, form: poem.form, model, parameters: rest} : {
    model, parameters: {...rest, seed: poem.seed, ...(poem.begin ? {begin: poem.begin} : {})}};
  const bytes = new TextEncoder().encode(JSON.stringify(held));
  const code = btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  return `${location.origin}/#${code}`;
}

export function heldBy(code) {
  try {
    const bytes = Uint8Array.from(atob(code.replace(/-/g, '+').replace(/_/g, '/')), sign => sign.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
