/** Offers bytes to the person as a file to keep. */
export function offerFile(blob: Blob, fileName: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  // The browser has taken its reference by the next task; the URL would otherwise hold the bytes.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 0);
}
