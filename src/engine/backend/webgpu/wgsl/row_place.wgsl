// Where a product reads and writes: all rows of a matrix, or those of the expert that `routes` (chosen
// by route_f32: numbers, then weights) names for part `z % used` of row `z / used`.
struct Place {
  // Row of the (quantised) input.
  x_row: u32,
  // Row of the matrix that workgroup 0 begins with, and how many there are.
  first_row: u32,
  rows: u32,
  // Element of the result that `first_row` goes to.
  out: u32,
};

fn place_of(z: u32, experts_used: u32, own_inputs: u32, part_first: u32, part_rows: u32,
            expert_rows: u32, out_columns: u32) -> Place {
  if (experts_used == 0u) {
    return Place(z, part_first, part_rows, z * out_columns + part_first);
  }
  let token = z / experts_used;
  let k = z % experts_used;
  let expert = u32(routes[2u * experts_used * token + k]);
  return Place(select(token, z, own_inputs == 1u), expert * expert_rows, expert_rows,
               token * out_columns + k * expert_rows);
}
