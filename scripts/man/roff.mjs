// Text as manual pages have it (man(7)).

const GLYPHS = { '\\': '\\e', '~': '\\(ti', '^': '\\(ha', '`': '\\(ga', "'": '\\(aq', '…': '...' };

/** A text of any content, as it is; `-` is the one that is typed. Without line breaks. */
export function literal(text) {
  return text
    .replace(/[\\~^`'…]/g, (sign) => GLYPHS[sign])
    .replaceAll('-', '\\-')
    .replace(
      /\P{ASCII}/gu,
      (sign) => `\\[u${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}

/** Prose: what stands between backquotes, and options, are bold. Long lines are the formatter's to break. */
export function prose(text) {
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      /^`.+`$/.test(part)
        ? `\\fB${literal(part.slice(1, -1))}\\fR`
        : part
            .split(/((?<![\w-])--?[a-z][a-z0-9-]*)/)
            .map((word, i) => (i % 2 === 1 ? `\\fB${literal(word)}\\fR` : hyphens(word)))
            .join(''),
    )
    .join('');
}

/** Hyphens inside words may break; all else is literal. */
const hyphens = (text) => literal(text).replace(/(?<=[A-Za-z])\\-(?=[A-Za-z])/g, '-');

/** A line of input that is no request, whatever it begins with. */
export const line = (text) => (/^[.']/.test(text) ? `\\&${text}` : text);

/** A heading and what is below it, which begins a paragraph anyway. */
export const section = (title, ...lines) => [
  `.SH ${title}`,
  ...(lines[0] === '.PP' ? lines.slice(1) : lines),
];
export const paragraph = (text) => ['.PP', line(prose(text))];
/** A term and what it means. */
export const item = (term, text) => ['.TP', line(term), line(text === '' ? '\\&' : prose(text))];
/** A command line as several, where it is long. */
const wrapped = (text) => {
  const lines = [];
  // An option stays with its value.
  for (const word of text.match(/-\S+ (?:"[^"]*"|[^-"\s]\S*)|"[^"]*"|\S+/g)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < COLUMNS)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((one, i) => `${i > 0 ? '    ' : ''}${one}${i < lines.length - 1 ? ' \\' : ''}`);
};
const COLUMNS = 62;

/** Command lines. */
export const commandLines = (lines) => verbatim(lines.flatMap(wrapped));
/** Lines as they are. */
export const verbatim = (lines) => ['.PP', '.nf', ...lines.map((text) => line(literal(text))), '.fi'];
export const indented = (lines) => ['.RS 4', ...lines, '.RE'];
