/**
 * Compiles a graph of operators into dispatches: everything but grids and the step's numbers is fixed
 * here, once, so that a token costs no allocation and no bind group.
 *
 * There are two ways through a graph: one for any number of tokens, operator by operator, and one for a
 * single token, in which neighbouring operators are one dispatch.
 */
import { fuseForDecode, type AttendOp } from '../../graph/decode-fusion.ts';
import type { Graph, Op } from '../../graph/ops.ts';
import type { CompileOptions } from '../backend.ts';
import { floatWord, gateCodes } from '../operator-words.ts';
import { addAttend, addAttention, addCacheWrite } from './compile-attention.ts';
import { addExpertMatmul, addMatmul } from './compile-products.ts';
import { ProjectionCompiler } from './compile-projections.ts';
import { addConvolution, addScan } from './compile-recurrent.ts';
import {
  addElementwise,
  addEmbed,
  addExpertSum,
  addJoinHeads,
  addNorm,
  addRope,
  addRoute,
  addTakeOutputs,
} from './compile-rows.ts';
import type { CompiledGraph, Program } from './compiled-graph.ts';
import { GraphMemory, type CompilerDevice } from './graph-memory.ts';
import { StepList } from './step-list.ts';

function addOp(list: StepList, op: Op | AttendOp): void {
  switch (op.op) {
    case 'embed':
      addEmbed(list, op);
      return;
    case 'norm':
      addNorm(list, op);
      return;
    case 'matmul':
      addMatmul(list, op);
      return;
    case 'rope':
      addRope(list, op);
      return;
    case 'cache-write':
      addCacheWrite(list, op);
      return;
    case 'attention':
      addAttention(list, op);
      return;
    case 'attend':
      addAttend(list, op);
      return;
    case 'gate':
      addElementwise(list, 'gate_f32', [op.gate, op.up], op.out, [gateCodes[op.activation]]);
      return;
    case 'activate':
      addElementwise(list, 'activate_f32', [op.x], op.out, [gateCodes[op.activation]]);
      return;
    case 'add':
      addElementwise(list, 'add_f32', [op.a, op.b], op.out, []);
      return;
    case 'scale': {
      const numbers = [floatWord(op.factor), floatWord(op.softcap)];
      addElementwise(list, 'scale_f32', [op.x], op.out, numbers);
      return;
    }
    case 'take-outputs':
      addTakeOutputs(list, op);
      return;
    case 'route':
      addRoute(list, op);
      return;
    case 'expert-matmul':
      addExpertMatmul(list, op);
      return;
    case 'expert-sum':
      addExpertSum(list, op);
      return;
    case 'join-heads':
      addJoinHeads(list, op);
      return;
    case 'causal-convolution':
      addConvolution(list, op);
      return;
    case 'selective-scan':
      addScan(list, op);
      return;
    default:
      op satisfies never;
  }
}

function compileAny(graph: Graph, memory: GraphMemory, options: CompileOptions): Program {
  const { maxTokens, maxOutputs } = options;
  const list = new StepList(memory, graph.activations, { tokens: maxTokens, outputs: maxOutputs });
  for (const op of graph.ops) addOp(list, op);
  return list.emit(graph.result);
}

function compileOne(graph: Graph, memory: GraphMemory): Program {
  const list = new StepList(memory, graph.activations, { tokens: 1, outputs: 1 });
  const { ops, result } = fuseForDecode(graph, Infinity);
  new ProjectionCompiler(list).addAll(ops, (op) => {
    addOp(list, op);
  });
  return list.emit(result);
}

/** @throws AppError `invalid-argument`, `not-supported`, `internal`, `model-file/missing-tensor`, `engine/out-of-memory` */
export function compileGraph(
  graph: Graph,
  options: CompileOptions,
  on: CompilerDevice,
): CompiledGraph {
  const memory = new GraphMemory(graph, options, on);
  try {
    const any = compileAny(graph, memory, options);
    const one = compileOne(graph, memory);
    return {
      any,
      one,
      step: memory.step,
      tokens: memory.tokens,
      resultColumns: graph.activations[graph.result]?.columns ?? 0,
      ropeTables: memory.ropeTables,
      needs: memory.needs,
      weights: memory.weights,
      buffers: memory.buffers,
      bytes: memory.bytes,
    };
  } catch (error) {
    memory.free();
    throw error;
  }
}
