import { describe, expect, it } from 'vitest';
import { checkModelUrl } from './validate-url.ts';

describe('checkModelUrl', () => {
  it.each([
    ['  ', 'empty'],
    ['model.gguf', 'invalid'],
    ['ftp://host/model.gguf', 'invalid'],
    ['http://example.com/model.gguf', 'insecure'],
    ['https://huggingface.co/owner/model', 'page'],
    ['http://localhost:8080/m.gguf', 'valid'],
    ['http://127.0.0.1/m.gguf', 'valid'],
    ['http://[::1]:99/m.gguf', 'valid'],
    ['http://127.0.0.1.evil.example/m.gguf', 'insecure'],
  ])('finds %j %s', (text, kind) => {
    expect(checkModelUrl(text).kind).toBe(kind);
  });

  it('names the server and the file', () => {
    expect(
      checkModelUrl(' https://huggingface.co/o/m/resolve/main/My%20Model.gguf?download=true '),
    ).toEqual({
      kind: 'valid',
      host: 'huggingface.co',
      fileName: 'My Model.gguf',
    });
  });
});
