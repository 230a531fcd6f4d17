/** Bytes a dispatch must read and write in memory, and its multiply-adds: for estimates and reports. */
export interface Cost {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly multiplyAdds: number;
}
