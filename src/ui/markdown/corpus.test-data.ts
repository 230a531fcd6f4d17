/** Markdown as models write it, and as an attacker would; every construct the renderer knows. */
export const markdownCorpus: readonly string[] = [
  'Plain words, *emphasis*, **strong**, ***both***, ~~gone~~ and `code`.\n\nA second paragraph\nover two lines.',
  '# One\n\n## Two\n\n### Three\n\n#### Four\n\nSetext\n======\n\nOther\n---\n\nText\n\n---\n\nEnd',
  '- a\n- b\n  - c\n  - d\n\n    loose\n- e\n\n1. one\n2. two\n   - inner\n\n7. seven\n8) eight',
  '- [ ] open\n- [x] *done*\n\n- [x] loose\n\n  more',
  'Code:\n\n```ts title="x"\nconst a = `b` & "c"; // <b>\n```\n\n~~~\n```\n~~~\n\n    indented\n\n```\nnever closed **x**',
  '> quoted *words*\n> - list\n>\n> ```\n> code\n> ```\n\nafter',
  '| a | b | c |\n|:--|:-:|--:|\n| 1 | `x|y` | **3** |\n| <i>4</i> | [l](https://e.x) | |\n\nafter | not a table',
  'Link [text *x*](https://example.com/a?b=1&amp;c=2 "T"), <https://auto.example>, https://bare.example/x, www.w.example and <m@example.com>.',
  'Bad: [a](javascript:alert(1)) [b](data:text/html,x) [c](/local) [d](  JaVaScRiPt:x) [e](vbscript:x) [f](//host/x) [g](#frag).',
  'Image ![alt](https://img.example/x.png "t") and ![ref *alt*][r] and ![](rel.png).\n\n[r]: https://ref.example/y.png\n\n[late] text\n\n[late]: https://late.example',
  '<script>alert(1)</script>\n\n<div onclick="x()">\nraw **html**\n</div>\n\ninline <b>bold</b> <img src=x onerror=y> <!-- c --> done',
  'Entities: &amp; &lt;b&gt; &copy; &#169; &#xA9; &nosuch; &#0; AT&T \\& \\* \\_ \\` `&amp;` "q" <&>',
  '<think>Let *me* think.\n\n- step\n</think>\n\nThe **answer**.',
  'Line one  \nline two\\\nline three\n\n中文段落，**粗体**与`代码`。\n\n$x^2$ and a_b_c and 2*3*4 and **unclosed',
];
