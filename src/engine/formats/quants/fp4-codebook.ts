/** The 16 numbers of the 4-bit float E2M1, doubled to be integers; there is no negative zero. */
export const fp4Levels: readonly number[] = [
  0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12,
];
