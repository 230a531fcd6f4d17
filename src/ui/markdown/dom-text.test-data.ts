/**
 * What a rendered tree shows, as text: elements with their attributes in order, shadow trees inside,
 * Lit's marker comments and the split of text into nodes left out. Equal strings: equal pages.
 */
export function serialize(node: Node): string {
  if (node instanceof Text)
    return node.data.replace(/[&<>]/g, (mark) => `&#${String(mark.charCodeAt(0))};`);
  if (node instanceof Comment) return '';
  const inner = (parent: Node): string => [...parent.childNodes].map(serialize).join('');
  if (!(node instanceof Element)) return inner(node);
  const name = node.localName;
  if (name === 'style') return '';
  const attributes = [...node.attributes]
    .map(({ name: key, value }) => ` ${key}=${JSON.stringify(value)}`)
    .sort()
    .join('');
  const checked = node instanceof HTMLInputElement ? ` checked=${String(node.checked)}` : '';
  const shadow = node.shadowRoot === null ? '' : `#shadow{${inner(node.shadowRoot)}}`;
  return `<${name}${attributes}${checked}>${shadow}${inner(node)}</${name}>`;
}
