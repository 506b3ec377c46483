import type { BenchResult } from './results.js'

export function renderPicture(_result: BenchResult): string {
  return '<svg xmlns="http://www.w3.org/2000/svg"/>'
}
