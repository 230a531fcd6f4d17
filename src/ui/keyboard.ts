/** Whether a key press belongs to an input method that is composing text. */
export function isComposing(event: KeyboardEvent): boolean {
  // Safari ends the composition before the Enter that confirmed it; only its key code, 229, tells.
  // oxlint-disable-next-line typescript/no-deprecated
  return event.isComposing || event.keyCode === 229;
}
