/** Node's Buffer has these without declaring them; they skip the encoding switch of `toString`. */
export type SlicingBuffer = Buffer & {
  latin1Slice(start?: number, end?: number): string
  utf8Slice(start?: number, end?: number): string
}
