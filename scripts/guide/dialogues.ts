/**
 * Dialogues to train the guide on: the corpus' questions in many spellings, with the answers as they
 * stand. Everything is drawn from one seed, so that the same corpus gives the same dialogues.
 */

export interface Topic {
  readonly language: Language;
  readonly questions: readonly string[];
  readonly answer: string;
}

export type Language = 'en' | 'zh-Hans';

export interface Turn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Blocks parted by blank lines before a `q:`; a `#` at the beginning of a line outside answers is a comment. */
export function parseCorpus(text: string, language: Language): Topic[] {
  return text
    .split(/\n\n(?=q: )/u)
    .filter((block) => block.startsWith('q: '))
    .map((block) => {
      const start = block.indexOf('\na: ');
      if (start < 0) throw new Error(`A question without an answer: ${block.slice(0, 60)}`);
      const questions = block.slice(0, start).split('\n');
      return {
        language,
        questions: questions.map((line) => line.replace(/^q: /u, '')),
        answer: block.slice(start + '\na: '.length).trim(),
      };
    });
}

/** Lists of words by name: `patterns` of unrelated questions with the lists that fill them, and small talk. */
export type Phrases = ReadonlyMap<string, readonly string[]>;

export interface Corpus {
  readonly topics: readonly Topic[];
  readonly phrases: Readonly<Record<Language, Phrases>>;
}

/** Lines of the form `name: item | item`. */
export function parsePhrases(text: string): Phrases {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, name, items] = /^([\w-]+): (.*)$/u.exec(line) ?? [];
      return name === undefined || items === undefined ? [] : [[name, items.split(' | ')]];
    }),
  );
}

function listOf(phrases: Phrases, name: string): readonly string[] {
  const list = phrases.get(name);
  if (list === undefined) throw new Error(`There is no list of phrases "${name}".`);
  return list;
}

/** What the guide says to everything that it did not learn. */
const doNotKnow: Readonly<Record<Language, string>> = {
  en: 'I do not know that: I am only the guide, and I know nothing but Hermit. A larger model can help; open **Models** to add one.',
  'zh-Hans':
    '这个我不知道：我只是向导，除了 Hermit 什么都不懂。更大的模型可以帮你，请打开**模型**页添加。',
};

const noMore: Readonly<Record<Language, string>> = {
  en: 'That is all I learned about it. Ask me something else about Hermit, or add a larger model under **Models**.',
  'zh-Hans': '我学到的就这些。请再问一个关于 Hermit 的问题，或者在**模型**页添加更大的模型。',
};

const systems: readonly string[] = [
  'You are a helpful assistant.',
  'Answer briefly.',
  'You are a friendly assistant. Be concise.',
  '请用中文回答。',
  'You are Hermit, a private assistant.',
];

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Evenly from [0, 1). Source: Marsaglia 2003, "Xorshift RNGs", with a multiplication at the end. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.next() * list.length)];
    if (item === undefined) throw new Error('Nothing to pick from.');
    return item;
  }
}

/** Endless dialogues of one to four turns. */
export function* dialogues(corpus: Corpus, seed: number): Generator<Turn[], never> {
  const random = new Random(seed);
  const speakers = {
    en: new Speaker(corpus, 'en', random),
    'zh-Hans': new Speaker(corpus, 'zh-Hans', random),
  };
  for (;;) {
    let language: Language = random.chance(0.58) ? 'en' : 'zh-Hans';
    const turns: Turn[] = [];
    if (random.chance(0.15)) turns.push({ role: 'system', content: random.pick(systems) });
    const count = random.chance(0.55) ? 1 : random.chance(0.6) ? 2 : random.chance(0.6) ? 3 : 4;
    for (let turn = 0; turn < count; turn++) {
      if (random.chance(0.1)) language = language === 'en' ? 'zh-Hans' : 'en';
      const [question, answer] = speakers[language].exchange(turn);
      turns.push({ role: 'user', content: question }, { role: 'assistant', content: answer });
    }
    yield turns;
  }
}

/** Asks in one language. */
class Speaker {
  readonly #language: Language;
  readonly #random: Random;
  readonly #topics: readonly Topic[];
  readonly #phrases: Phrases;

  constructor({ topics, phrases }: Corpus, language: Language, random: Random) {
    this.#language = language;
    this.#random = random;
    this.#topics = topics.filter((topic) => topic.language === language);
    this.#phrases = phrases[language];
  }

  exchange(turn: number): [question: string, answer: string] {
    const random = this.#random;
    if (random.chance(0.17)) return [this.#vary(this.#unrelated()), doNotKnow[this.#language]];
    if (turn > 0 && random.chance(0.12)) {
      return [this.#punctuate(this.#phrase('follow-up')), noMore[this.#language]];
    }
    const topic = random.pick(this.#topics);
    return [this.#vary(random.pick(topic.questions)), topic.answer];
  }

  #phrase(name: string): string {
    return this.#random.pick(listOf(this.#phrases, name));
  }

  #unrelated(): string {
    return this.#phrase('patterns').replaceAll(/\{(\w+)\}/gu, (_, name: string) =>
      name === 'number' ? String(Math.floor(this.#random.next() ** 3 * 500)) : this.#phrase(name),
    );
  }

  /** The same question as another person would type it. */
  #vary(question: string): string {
    const random = this.#random;
    const english = this.#language === 'en';
    const space = english ? ' ' : '';
    let text = question;
    if (random.chance(0.22)) text = this.#phrase('opener') + space + text;
    if (random.chance(0.12)) text += space + this.#phrase('closer');
    if (english && random.chance(0.12)) text = dropSmallWord(random, text);
    if (random.chance(0.15)) text = mistype(random, text);
    if (!english && random.chance(0.4)) text = text.replaceAll('hermit', 'Hermit');
    if (english && random.chance(0.35)) text = text.replaceAll(/\b(?:hermit|i)\b/gu, capital);
    if (random.chance(0.55)) text = text.replace(/^./u, capital);
    return this.#punctuate(text);
  }

  #punctuate(text: string): string {
    const english = ['?', '?', '', '.', '!', ' ?', '??'];
    const chinese = ['？', '？', '', '。', '?', '！'];
    return text + this.#random.pick(this.#language === 'en' ? english : chinese);
  }
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

function dropSmallWord(random: Random, text: string): string {
  const words = text.split(' ');
  const small = words.flatMap((word, index) =>
    /^(?:the|a|an|do|does|is|are|can|to|my|of)$/u.test(word) ? [index] : [],
  );
  if (small.length === 0 || words.length < 4) return text;
  const dropped = random.pick(small);
  return words.filter((_, index) => index !== dropped).join(' ');
}

/** One letter left out, doubled or exchanged with its neighbour. */
function mistype(random: Random, text: string): string {
  const letters = [...text];
  if (letters.length < 6) return text;
  const at = 1 + Math.floor(random.next() * (letters.length - 2));
  const [here = '', next = ''] = letters.slice(at, at + 2);
  const replacement = random.pick([[next], [here, here, next], [next, here]]);
  letters.splice(at, 2, ...replacement);
  return letters.join('');
}

/** All texts once, for the vocabulary. */
export function allTexts({ topics, phrases }: Corpus): string[] {
  const texts = topics.flatMap((topic) => [topic.answer, topic.answer, ...topic.questions]);
  for (const language of ['en', 'zh-Hans'] as const) {
    const lists = [...phrases[language].values()].flat();
    texts.push(...lists.map((item) => item.replaceAll(/\{\w+\}/gu, '')));
    texts.push(doNotKnow[language], noMore[language]);
  }
  return [...texts, ...systems];
}
