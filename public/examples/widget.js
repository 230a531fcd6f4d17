import './source.js';

const chat = document.querySelector('hermit-chat');

// A question of the page goes into the field; the visitor sends it, or not.
for (const button of document.querySelectorAll('[data-question]')) {
  button.addEventListener('click', () => chat.fill(button.dataset.question));
}
