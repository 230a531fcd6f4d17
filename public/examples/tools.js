import '/embed.js';
import './source.js';

const chat = document.querySelector('hermit-chat');
const lamp = document.getElementById('lamp');
const log = document.getElementById('log');
const state = { colour: 'off', brightness: 0 };

const colours = { red: '#e4572e', amber: '#f0a202', green: '#3a9d5d', blue: '#3d7dd8', off: '' };

const tools = [
  {
    name: 'set_lamp',
    title: 'Set the lamp',
    description: 'Changes the colour and the brightness of the lamp on this page.',
    inputSchema: {
      type: 'object',
      properties: {
        colour: { enum: Object.keys(colours) },
        brightness: { type: 'integer', description: 'From 0 to 100.' },
      },
      required: ['colour', 'brightness'],
      additionalProperties: false,
    },
    execute({ colour, brightness }) {
      if (!Object.hasOwn(colours, colour)) return `There is no colour "${colour}".`;
      Object.assign(state, {
        colour,
        brightness: Math.min(100, Math.max(0, Number(brightness) || 0)),
      });
      lamp.style.setProperty('--lamp-colour', colours[colour] || '#8fa5a9');
      lamp.style.setProperty('--lamp-glow', String(colour === 'off' ? 0 : state.brightness / 120));
      lamp.setAttribute('aria-label', `A lamp, ${colour}, brightness ${state.brightness}`);
      log.append(`set_lamp(${colour}, ${state.brightness})\n`);
      return state;
    },
  },
  {
    name: 'read_lamp',
    title: 'Look at the lamp',
    description: 'Tells the colour and the brightness of the lamp on this page.',
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    annotations: { readOnlyHint: true },
    execute() {
      log.append('read_lamp()\n');
      return state;
    },
  },
];

// The dictionaries are WebMCP's: the same objects fit `navigator.modelContext.registerTool`.
for (const tool of tools) await chat.registerTool(tool);

for (const button of document.querySelectorAll('[data-question]')) {
  button.addEventListener('click', () => chat.fill(button.dataset.question));
}
