/** Kernels are imported as text: Vite and vitest both know the suffix. */
declare module '*.wgsl?raw' {
  const text: string;
  export default text;
}
