/**
 * Every kernel against its scalar twin and against plain double-precision arithmetic.
 *
 * Runs wherever the module's instructions do: the plain build in Node, both builds in browsers.
 * Knows nothing of a test framework; the callers turn results into assertions.
 */
import { checkAttention, checkCacheWrite } from './attention-checks.ts';
import { checkExpertMatmul, checkExpertSum, checkRoute } from './expert-checks.ts';
import {
  checkEmbed,
  checkMatmulDense,
  checkMatmulPlanes,
  checkQuantize,
  checkTranscode,
} from './matmul-checks.ts';
import { checkElementwise, checkNorm, checkRope } from './operator-checks.ts';
import { checkEncode, checkFloats } from './encode-checks.ts';
import { checkConvolution, checkScan } from './recurrent-checks.ts';
import { KernelBed, type Check, type CheckResult } from './kernel-bed.ts';

/** Runs all checks on one build of the kernels, with all data from `lowestAddress` on. */
export async function runKernelChecks(
  module: BufferSource,
  lowestAddress = 0,
): Promise<CheckResult[]> {
  const bed = await KernelBed.create(module, lowestAddress);
  const checks: ((bed: KernelBed) => Check)[] = [
    checkTranscode,
    checkQuantize,
    checkMatmulPlanes,
    checkMatmulDense,
    checkEmbed,
    checkNorm,
    checkRope,
    checkCacheWrite,
    checkAttention,
    checkElementwise,
    checkEncode,
    checkFloats,
    checkRoute,
    checkExpertMatmul,
    checkExpertSum,
    checkConvolution,
    checkScan,
  ];
  return checks.map((check) => {
    bed.reset();
    return check(bed).result();
  });
}
