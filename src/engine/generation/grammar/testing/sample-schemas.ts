import type { JsonSchema } from '../json-schema.ts';

/** Schemas of the kinds that scripts ask for. For tests. */
export const schemas: Readonly<Record<string, JsonSchema>> = {
  anything: true,
  person: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      age: { type: 'integer' },
      tags: { type: 'array', items: { type: 'string' }, maxItems: 3 },
      kind: { enum: ['one', 'two', null] },
    },
    required: ['name', 'age'],
    additionalProperties: false,
  },
  tree: {
    $ref: '#/$defs/tree',
    $defs: {
      tree: {
        type: 'object',
        properties: {
          value: { type: 'number' },
          left: { anyOf: [{ $ref: '#/$defs/tree' }, { type: 'null' }] },
        },
        required: ['value', 'left'],
        additionalProperties: false,
      },
    },
  },
  call: {
    type: 'object',
    properties: { name: { const: 'add' }, arguments: { type: 'object' } },
    required: ['name', 'arguments'],
    additionalProperties: false,
  },
  list: { type: 'array', items: { type: ['boolean', 'integer'] }, minItems: 2 },
};
