// The service, as functions.

export class Problem extends Error {}

async function explain(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

async function send(path, body, signal, accept = 'application/json') {
  const response = await fetch(path, {
    method: 'POST', signal, body: JSON.stringify(body), headers: {'content-type': 'application/json', accept},
  });
  if (!response.ok) throw new Problem(await explain(response));
  return response;
}

export async function ask(path, body, signal) {
  return (await send(path, body, signal)).json();
}

export async function models() {
  const response = await fetch('/api/models');
  if (response.status === 503) return null;
  if (!response.ok) throw new Problem(await explain(response));
  return response.json();
}

// Calls tell(event, data) for each server-sent event of an answer.
export async function listen(path, body, tell, signal) {
  const response = await send(path, body, signal, 'text/event-stream');
  if (!response.headers.get('content-type').startsWith('text/event-stream')) {
    const all = await response.json();
    all.poems.forEach((poem, index) => tell('poem', {index, poem}));
    tell('end', all);
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      const field = name => part.split('\n').filter(line => line.startsWith(`${name}: `)).map(
          line => line.slice(name.length + 2)).join('\n');
      const data = JSON.parse(field('data') || 'null');
      if (field('event') === 'error') throw new Problem(data.detail);
      tell(field('event'), data);
    }
  }
}
