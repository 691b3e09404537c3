// A poem as a picture: an SVG in vertical lines, and a PNG of it.

const SIZE = 44, GAP = 30, MARGIN = 72, FONT = "'Noto Serif CJK SC','Source Han Serif SC','Songti SC',STSong,SimSun,serif";

function escaped(text) {
  return text.replace(/[&<>"]/g, sign => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[sign]);
}

export function svg(lines, caption) {
  const longest = Math.max(1, ...lines.map(line => [...line].length));
  const width = 2 * MARGIN + lines.length * SIZE + (lines.length - 1) * GAP;
  const height = 2 * MARGIN + longest * SIZE * 1.16;
  const characters = lines.flatMap((line, column) => [...line].map((character, row) => {
    const x = width - MARGIN - SIZE / 2 - column * (SIZE + GAP), y = MARGIN + (row + 0.84) * SIZE * 1.16;
    return `<text x="${x}" y="${y}">${escaped(character)}</text>`;
  }));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `<rect width="100%" height="100%" fill="#fbf7ee"/><rect x="18" y="18" width="${width - 36}" height="${height - 36}" ` +
    `fill="none" stroke="#cdbf9f"/><g font-family="${FONT}" font-size="${SIZE}" fill="#2b2620" text-anchor="middle">` +
    `${characters.join('')}</g><text x="${width - 34}" y="${height - 30}" text-anchor="end" font-family="${FONT}" ` +
    `font-size="13" fill="#7a6f5c">${escaped(caption)}</text></svg>`;
}

export async function png(text) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([text], {type: 'image/svg+xml'}));
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise(resolve => canvas.toBlob(resolve, 'image/png'));
}

export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
