/** What each tab of the inspector shows. Everything from the file is text, never markup. */
import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { errorText } from '../error-text.ts';
import { formatBytes, formatNumber, formatPercent, formatTokens } from '../format.ts';
import { checkIcon, infoIcon, warningIcon } from '../icons.ts';
import type { InspectedEntryView, InspectedTensorView, InspectionView } from '../services.ts';
import { contextSteps, distinctNeeds, fittingContext, memoryNeed } from './memory-rows.ts';

/** Below this a chat cannot be held. */
const smallestUsefulContext = 64;

export function overview(inspection: InspectionView): unknown {
  const { sizeBytes, headerBytes, parts, files, licence, contextLength } = inspection;
  const unknown = msg('unknown', { id: 'common.unknown' });
  return html`${verdicts(inspection)}
    <dl class="facts">
      ${fact(msg('Architecture', { id: 'inspect.architecture' }), inspection.architecture ?? unknown)}
      ${fact(
        msg('Parameters', { id: 'inspect.parameters' }),
        inspection.parameters === 0 ? unknown : formatNumber(inspection.parameters),
      )}
      ${fact(msg('Quantisation', { id: 'inspect.quantisation' }), inspection.quantization ?? unknown)}
      ${fact(
        msg('Context', { id: 'catalog.context' }),
        contextLength === null
          ? unknown
          : msg(str`${formatTokens(contextLength)} tokens`, { id: 'catalog.tokens' }),
      )}
      ${fact(msg('Download', { id: 'common.download' }), formatBytes(sizeBytes))}
      ${fact(
        msg('Files', { id: 'inspect.files' }),
        parts > 1 ? formatNumber(parts) : (files[0]?.fileName ?? '1'),
      )}
      ${fact(msg('Licence', { id: 'catalog.licence' }), licence ?? unknown)}
      ${fact(
        msg('Header', { id: 'inspect.header' }),
        `${formatBytes(headerBytes)} · GGUF ${inspection.version}`,
      )}
    </dl>
    ${mix(inspection)}
    ${
      inspection.hyperParameters.length === 0
        ? nothing
        : html`<h3>${msg('Hyper-parameters', { id: 'inspect.hyperParameters' })}</h3>
            ${entryTable(inspection.hyperParameters)}`
    }`;
}

/** What speaks against the model, or that nothing does. */
function verdicts(inspection: InspectionView): unknown {
  const { problems, memory, budgetBytes } = inspection;
  const shown = problems.map(
    (problem) =>
      html`<div class="verdict ${problem.severity === 'error' ? 'bad' : 'caution'}">
        ${problem.severity === 'error' ? warningIcon : infoIcon}
        <p>${problem.severity === 'error' ? errorText(problem) : problem.message}</p>
      </div>`,
  );
  const [need] = memory;
  if (need === undefined || problems.some(({ severity }) => severity === 'error')) return shown;
  const context = fittingContext(inspection);
  if (context < smallestUsefulContext) {
    const least = formatBytes(memoryNeed(need, smallestUsefulContext));
    return html`${shown}
      <div class="verdict bad">
        ${warningIcon}
        <p>
          ${msg(
            str`Too large for this device: it needs at least ${least} of memory, and about ${formatBytes(budgetBytes)} may be used here.`,
            { id: 'inspect.tooLarge' },
          )}
        </p>
      </div>`;
  }
  const whole = context === inspection.contextLength;
  return html`${shown}
    <div class="verdict ${whole ? '' : 'caution'}">
      ${whole ? checkIcon : infoIcon}
      <p>
        ${
          whole
            ? msg(
                str`Runs on this device, with its whole context of ${formatNumber(context)} tokens.`,
                {
                  id: 'inspect.runsWhole',
                },
              )
            : msg(
                str`Runs on this device, with a context of up to ${formatNumber(context)} tokens.`,
                {
                  id: 'inspect.runsPart',
                },
              )
        }
      </p>
    </div>`;
}

function mix({ mix: shares, tensors }: InspectionView): unknown {
  if (shares.length === 0) return nothing;
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  return html`<h3>${msg('Tensor types', { id: 'inspect.mix' })}</h3>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">${msg('Type', { id: 'inspect.type' })}</th>
            <th scope="col" class="number">${msg('Tensors', { id: 'inspect.tensors' })}</th>
            <th scope="col" class="number">${msg('Values', { id: 'inspect.values' })}</th>
            <th scope="col" class="number">${msg('Size', { id: 'catalog.size' })}</th>
            <th scope="col" class="number">${msg('Share', { id: 'inspect.share' })}</th>
          </tr>
        </thead>
        <tbody>
          ${shares.map(
            (share) =>
              html`<tr>
                <th scope="row">${share.type}</th>
                <td class="number">${formatNumber(share.tensors)}</td>
                <td class="number">${formatNumber(share.elements)}</td>
                <td class="number">${formatBytes(share.bytes)}</td>
                <td class="number">${formatPercent(total === 0 ? 0 : share.bytes / total)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

export function memoryPanel(inspection: InspectionView): unknown {
  const { memory, budgetBytes, contextLength } = inspection;
  const needs = distinctNeeds(memory);
  if (needs.length === 0 || contextLength === null) {
    return html`<p>
      ${msg('The need for memory cannot be told for a model that is not supported.', {
        id: 'inspect.noMemory',
      })}
    </p>`;
  }
  return html`<p>
      ${msg(
        str`About ${formatBytes(budgetBytes)} of memory may be used by a model on this device. Weights and work stay the same; the longer the context, the more is needed beside them.`,
        { id: 'inspect.budget' },
      )}
      ${
        needs.length === 1
          ? msg(
              '8-bit and 4-bit answers need the same memory: 4-bit reads half of it for each token.',
              {
                id: 'inspect.samePrecision',
              },
            )
          : nothing
      }
    </p>
    <dl class="facts">
      ${needs.map(
        (need) =>
          html`${fact(
            needs.length === 1
              ? msg('Weights', { id: 'inspect.weights' })
              : msg(str`Weights, ${need.precision} bit`, { id: 'inspect.weightsOf' }),
            formatBytes(need.weightBytes),
          )}${fact(msg('Work', { id: 'inspect.work' }), formatBytes(need.workBytes))}${fact(
            msg('1,024 tokens of context', { id: 'inspect.perThousand' }),
            formatBytes(1024 * need.bytesPerPosition),
          )}`,
      )}
    </dl>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">${msg('Context', { id: 'catalog.context' })}</th>
            ${needs.map(
              (need) =>
                html`<th scope="col" class="number">
                  ${
                    needs.length === 1
                      ? msg('Memory', { id: 'catalog.memory' })
                      : msg(str`${need.precision} bit`, { id: 'inspect.bits' })
                  }
                </th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${contextSteps(contextLength).map(
            (context) =>
              html`<tr>
                <th scope="row">
                  ${msg(str`${formatTokens(context)} tokens`, { id: 'catalog.tokens' })}
                </th>
                ${needs.map((need) => memoryCell(memoryNeed(need, context), budgetBytes))}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

function memoryCell(bytes: number, budgetBytes: number): unknown {
  const fits = bytes <= budgetBytes;
  return html`<td class="number">
    ${formatBytes(bytes)} ·
    <span class=${fits ? 'fits' : 'exceeds'}
      >${
        fits ? msg('fits', { id: 'inspect.fits' }) : msg('too much', { id: 'inspect.exceeds' })
      }</span
    >
  </td>`;
}

export function entryTable(entries: readonly InspectedEntryView[]): unknown {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th scope="col">${msg('Key', { id: 'inspect.key' })}</th>
          <th scope="col">${msg('Type', { id: 'inspect.type' })}</th>
          <th scope="col">${msg('Value', { id: 'inspect.value' })}</th>
        </tr>
      </thead>
      <tbody>
        ${entries.map(
          (entry) =>
            html`<tr>
              <th scope="row" class="code key">${entry.key}</th>
              <td class="code">${entry.type}</td>
              <td class="code"><div class="long">${entry.text}</div></td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export function tensorTable(tensors: readonly InspectedTensorView[]): unknown {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th scope="col">${msg('Tensor', { id: 'inspect.tensor' })}</th>
          <th scope="col">${msg('Type', { id: 'inspect.type' })}</th>
          <th scope="col" class="number">${msg('Shape', { id: 'inspect.shape' })}</th>
          <th scope="col" class="number">${msg('Size', { id: 'catalog.size' })}</th>
        </tr>
      </thead>
      <tbody>
        ${tensors.map(
          (tensor) =>
            html`<tr>
              <th scope="row" class="code key">${tensor.name}</th>
              <td>${tensor.type}</td>
              <td class="number">${tensor.shape.join(' × ')}</td>
              <td class="number">${formatBytes(tensor.bytes)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export function tokenizerPanel({ tokenizer }: InspectionView): unknown {
  if (tokenizer === null) {
    return html`<p>
      ${msg('This file says nothing of a tokenizer.', { id: 'inspect.noTokenizer' })}
    </p>`;
  }
  return html`<dl class="facts">
      ${fact(msg('Family', { id: 'inspect.family' }), tokenizer.family)}
      ${fact(
        msg('Pre-tokenizer', { id: 'inspect.preTokenizer' }),
        tokenizer.preTokenizer ?? msg('none stated', { id: 'inspect.noneStated' }),
      )}
      ${fact(msg('Tokens', { id: 'inspect.tokens' }), formatNumber(tokenizer.size))}
      ${fact(msg('Merges', { id: 'inspect.merges' }), formatNumber(tokenizer.merges))}
    </dl>
    ${
      tokenizer.special.length === 0
        ? nothing
        : html`<h3>${msg('Special tokens', { id: 'inspect.special' })}</h3>
            <div class="scroll">
              <table>
                <thead>
                  <tr>
                    <th scope="col">${msg('Role', { id: 'inspect.role' })}</th>
                    <th scope="col" class="number">${msg('Id', { id: 'inspect.id' })}</th>
                    <th scope="col">${msg('Spelling', { id: 'inspect.spelling' })}</th>
                  </tr>
                </thead>
                <tbody>
                  ${tokenizer.special.map(
                    ({ role, id, text }) =>
                      html`<tr>
                        <th scope="row">${role}</th>
                        <td class="number">${id}</td>
                        <td class="code">${text}</td>
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>`
    }`;
}

export function templatePanel({ chatTemplates }: InspectionView): unknown {
  if (chatTemplates.length === 0) {
    return html`<p>
      ${msg('This file has no chat template; Hermit uses a default one.', {
        id: 'inspect.noTemplate',
      })}
    </p>`;
  }
  return chatTemplates.map(
    ({ name, source }) =>
      html`${name === '' ? nothing : html`<h3>${name}</h3>`}
        <pre tabindex="0">${source}</pre>`,
  );
}

function fact(name: string, value: unknown): unknown {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`;
}
