/** Templates for XML and HTML that escape every value. */

export interface Markup {
  readonly markup: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Text for an element or a quoted attribute, the same in XML 1.0 and HTML. Characters that XML forbids (most controls,
 * lone surrogates) and those that change the direction of text become U+FFFD; line breaks and tabs are kept.
 */
function escaped(text: string): string {
  return text
    .replace(
      /[^\t\n\r\u0020-\u007e\u00a0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu,
      '\ufffd',
    )
    .replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '')
    .replace(/[\t\n\r]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** A template tag that escapes all values except `Markup`. */
export function xml(
  parts: TemplateStringsArray,
  ...values: readonly (string | number | Markup | readonly Markup[])[]
): Markup {
  const plain = (value: (typeof values)[number] | undefined): string => {
    if (value === undefined) return '';
    if (typeof value === 'string') return escaped(value);
    if (typeof value === 'number') return String(value);
    return 'markup' in value ? value.markup : value.map(({ markup }) => markup).join('');
  };
  return { markup: parts.map((part, index) => part + plain(values[index])).join('') };
}

export const NOTHING: Markup = { markup: '' };
