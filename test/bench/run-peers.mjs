/**
 * `npm run bench -- --peers`: Hermit beside wllama and onnxruntime-web, see `peers/peers.bench.ts`.
 *
 *     --model NAME|FILE   a shape of model-shapes.ts, or a GGUF file; may be repeated
 *     --type Q4_0         of a shape: Q4_0, Q8_0, Q4_K_M; may be repeated
 *     --threads 1         of every engine
 *     --rounds 5          runs of every measure; --seconds 60 ends them earlier
 *     --prompts 128,512   --contexts 128,1024
 *     --only Hermit       one engine; may be repeated
 *     --matrix            one matrix in onnxruntime-web's MatMulNBits too
 *     --native            llama.cpp as a native program too, where node-llama-cpp is installed
 *     --profile           how long each group of commands takes, of a prompt and of a token
 *     --json
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileC } from '../../wasm/build.mjs';
import { bundleForPage, importInNode } from './bundle.mjs';
import { serveIsolated } from './isolated-server.mjs';
import { streamFlags } from './run-model.mjs';

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** Of an even number of values, the mean of the middle two. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(values.length - 1) >> 1] + sorted[values.length >> 1]) / 2;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      peers: { type: 'boolean' },
      model: { type: 'string', multiple: true, default: ['SmolLM2-135M'] },
      type: { type: 'string', multiple: true, default: ['Q4_0'] },
      threads: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '60' },
      prompts: { type: 'string', default: '128,512' },
      contexts: { type: 'string', default: '128,1024' },
      only: { type: 'string', multiple: true, default: ['Hermit', 'wllama'] },
      matrix: { type: 'boolean', default: false },
      native: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const numbers = (text) => text.split(',').filter(Boolean).map(Number);
  return {
    ...values,
    threads: Number(values.threads),
    rounds: Number(values.rounds),
    secondsPerMeasure: Number(values.seconds),
    prompts: numbers(values.prompts),
    contexts: numbers(values.contexts),
    peers: values.only,
    folder: pathOf('./peers'),
  };
}

/** Seconds of loading and waiting, tokens a second of everything else. */
function inUnits(measure, milliseconds) {
  if (/^(load|first token)/.test(measure)) return milliseconds / 1000;
  return 1000 / milliseconds;
}

function rowsOf(report) {
  const { samples, weightBytes, readingSpeed } = report;
  return samples.map(({ peer, measure, times }) => {
    const own = times.map((time) => inUnits(measure, time));
    const other = samples.find(
      (sample) =>
        sample.measure === measure &&
        !sample.peer.startsWith('Hermit') &&
        peer.startsWith('Hermit'),
    );
    const ratio = other === undefined ? null : median(other.times) / median(times);
    const reads = peer === 'Hermit' && measure.startsWith('decode');
    const gigabytesPerSecond = reads ? weightBytes / median(times) / 1e6 : null;
    return {
      model: measure.startsWith('matrix') ? '4096 x 4096' : report.model,
      type: measure.startsWith('matrix') ? 'Q4_0' : report.type,
      threads: report.threads,
      measure,
      peer,
      median: inUnits(measure, median(times)),
      lowest: Math.min(...own),
      highest: Math.max(...own),
      runs: times.length,
      timesPeer: ratio,
      gigabytesPerSecond,
      ceilingShare: gigabytesPerSecond === null ? null : gigabytesPerSecond / readingSpeed,
    };
  });
}

const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

function toMarkdown(reports, machine) {
  const lines = reports.flatMap((report) =>
    rowsOf(report)
      .sort((a, b) => a.measure.localeCompare(b.measure, 'en', { numeric: true }))
      .map((row) => {
        const unit = /^(load|first token)/.test(row.measure) ? 's' : '/s';
        const cells = [
          `${row.model} ${row.type}`.trim(),
          row.measure,
          row.peer,
          `${digits(row.median)} ${unit}`,
          `${digits(row.lowest)} to ${digits(row.highest)}`,
          row.runs,
          row.timesPeer === null ? '' : `${digits(row.timesPeer)} x`,
          row.gigabytesPerSecond?.toFixed(1) ?? '',
          row.ceilingShare === null ? '' : `${Math.round(100 * row.ceilingShare)} %`,
        ];
        return `| ${cells.join(' | ')} |`;
      }),
  );
  const notes = reports.map(({ model, type, threads, error, memory, readingSpeed, fileBytes }) => {
    const peaks = Object.entries(memory).map(
      ([peer, bytes]) => `${peer} ${(bytes / 1e6).toFixed(0)} MB`,
    );
    const checked =
      error === null ? 'not compared with the reference' : `error ${error.toExponential(1)}`;
    return `- ${model} ${type}: file of ${(fileBytes / 1e6).toFixed(0)} MB, ${threads} thread(s); Hermit's logits: ${checked}; one thread reads ${readingSpeed.toFixed(1)} GB/s; peak memory: ${peaks.join(', ')}.`;
  });
  return [
    `Side by side in headless Chromium on an isolated page, ${machine}. Tokens (of matrices: products) a second, or seconds.`,
    '',
    '| model | measure | engine | median | lowest to highest | runs | Hermit is | GB/s | of the read ceiling |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...lines,
    '',
    ...notes,
    ...reports.flatMap(({ model, type, profile }) =>
      profile.flatMap(([step, groups]) => [
        '',
        `${model} ${type}, ${step}, milliseconds by group of commands:`,
        '',
        ...groups.map(([label, milliseconds]) => `- ${milliseconds.toFixed(3)} ${label}`),
      ]),
    ),
  ].join('\n');
}

export async function runPeers() {
  const options = readOptions();
  const source = await readFile(pathOf('../../wasm/bench/stream.c'), 'utf8');
  const stream = await compileC({ 'stream.c': source }, streamFlags);
  const bench = await importInNode(
    pathOf('./peers/peers.bench.ts'),
    pathOf('../../build/bench/peers.mjs'),
  );
  const made = {
    pageScript: await bundleForPage(pathOf('./peers/peers-page.ts'), 'peers'),
    serve: serveIsolated,
    stream,
  };
  const reports = [];
  for (const model of options.model) {
    for (const type of model.endsWith('.gguf') ? [''] : options.type) {
      reports.push(await bench.runPeersBench({ ...options, ...made, model, type }));
    }
  }
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
  if (options.json) {
    const rows = reports.flatMap(rowsOf);
    console.log(JSON.stringify({ machine, rows, reports }, null, 2));
  } else {
    console.log(toMarkdown(reports, machine));
  }
}
