// Positions the cache can hold; a uniform of the cache.
struct Cache {
  capacity: u32,
};
